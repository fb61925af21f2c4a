-- Tries: every function of every library with arguments that nobody expects.
-- Ends: harmless
-- Limits: stretch = "8s", memory = "16MB", log_lines = 10
local haggle = require "haggle"
local waits = { ask = true, ask_all = true, sleep = true, send = true, continue = true }
local odd = { nil, true, 0, -1, 1.5, 0 / 0, math.huge, math.maxinteger, math.mininteger, "", "%",
  "\0\xff", ("x"):rep(300), {}, { {} }, print, 3 }
agent.on("hostile/1.0/go", function(message)
  local mean = setmetatable({}, { __index = function() error("mean") end,
    __len = function() return -1 end, __tostring = function() return nil end,
    __name = 12, __metatable = false })
  local count = 0
  for _, library in ipairs { string, table, math, os, utf8, coroutine, haggle, host, log, agent, _G } do
    for name, f in pairs(library) do
      if type(f) == "function" and not waits[name] and f ~= error and f ~= coroutine.yield then
        for i = 1, 17 do
          for k = 1, 17, 5 do
            pcall(f, odd[i], odd[k])
            count = count + 1
          end
          pcall(f, odd[i])
          pcall(f, odd[i], odd[(i * 7) % 17 + 1], odd[(i * 5) % 17 + 1], odd[(i * 3) % 17 + 1])
          pcall(f, mean, odd[i])
          pcall(f, odd[i], mean, mean)
          pcall(f, state, odd[i], odd[(i * 3) % 17 + 1])
          pcall(f, coroutine.create(print), odd[i])
        end
        pcall(f)
      end
    end
  end
  assert(count > 2000)
  message:reply("done", {})
end)
