---@meta haggle.policy

---Decisions by a model, and by a rule of the script's own where there is none.
---@class haggle.policy
local policy = {}

---@class haggle.policy.Options
---@field model string as the host names it; needs the grant `infer=model`
---@field features fun(view: any): table a list of finite numbers; or input → list
---@field fallback fun(view: any, why: string, code: haggle.Code): any an action, when the model gives none
---@field actions? any[] an action for each score of the model
---@field allowed? fun(action: any, view: any): boolean whether it can be chosen now
---@field action? fun(outputs: table, view: any): any instead of `actions`: an action, or nil, why
---@field within? haggle.Duration how long the model may take ("50ms")
---@field width? integer how many features there are; another number raises
---@field sample? number a temperature: actions are drawn by their scores
---@field input? string as the model names it ("features")
---@field output? string as the model names it ("scores")
---@field name? string under which decisions are counted (that of the model)

---@class haggle.policy.Counts
---@field model integer decided by the model
---@field fallback integer decided by the rule
---@field why? string it was the rule the last time
---@field code? haggle.Code

---Makes a function that decides: decide(view) → action, "model", or action, "fallback", why, code.
---It suspends. For the top level.
---@param options haggle.policy.Options
---@return fun(view: any): any, "model"|"fallback", string?, haggle.Code?
function policy.new(options) end

---How often each decided so far.
---@param name string
---@return haggle.policy.Counts
function policy.counts(name) end

return policy
