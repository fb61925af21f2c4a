---@meta haggle.test

---What specs (`haggle test`) are written with.
---@class haggle.test
---@field folder string the folder of the spec
---@field spec string its path
---@field filter? string
---@field results table[] read by the runner
local test = {}

---@class haggle.test.WorldOptions
---@field seed? integer

---@class haggle.test.AgentOptions
---@field name string
---@field script? string a path from the spec's folder
---@field source? string
---@field path? string as errors show it
---@field config? table
---@field allow? string[]

---@class haggle.test.PeerOptions
---@field protocols? haggle.Protocol[] whose messages it takes
---@field handles? string[] more message types
---@field offers? haggle.Offer[]

---Groups tests under a name.
---@param name string
---@param fn fun()
function test.describe(name, fn) end

---A test.
---@param name string
---@param fn fun()
function test.it(name, fn) end

---@param value any
---@return haggle.test.Expectation
function test.expect(value) end

---A value as text.
---@param value any
---@param depth? integer
---@return string
function test.show(value, depth) end

---A host in memory with a clock that only the spec moves.
---@param options? haggle.test.WorldOptions
---@return haggle.test.World
function test.world(options) end

return test
