-- haggle.policy: decisions by a model, and by a rule of the script's own where there is none.
--
--   local policy = require "haggle.policy"
--   local decide = policy.new {
--     model = "thermostat", within = "50ms", width = 2,
--     features = function(view) return { view.celsius / 40, view.outside / 40 } end,
--     actions = { "heat", "wait", "cool" },
--     fallback = function(view) return view.celsius < 19 and "heat" or "wait" end,
--   }
--   local action, source = decide { celsius = 18, outside = 3 }   -- "heat", "model"
--
-- A view, which is any value, becomes features; the model gives a score to each action; the one
-- with the best is the decision. It needs the grant infer=thermostat. Where the model gives no
-- usable answer (it is not there or not granted, the time is over, too many ask) the rule decides,
-- and `source` is "fallback". How often is counted in `state`, and told in the log.
--
-- Decisions are journaled with what else the handler was told: after a restart, they are the same.
local haggle = require "haggle"

local policy = {}

local KEY = "haggle.policy" -- in `state`
local TELL_AGAIN, TELL_OTHER = 3600000, 60000 -- ms: the same trouble, another one

local OPTIONS = {
  model = "string", name = "string", within = true, width = "number", input = "string",
  output = "string", features = "function", actions = "table", allowed = "function",
  sample = "number", action = "function", fallback = "function",
}

local function check(options)
  if type(options) ~= "table" then error("policy.new takes a table of options", 3) end
  for name, value in pairs(options) do
    local kind = OPTIONS[name]
    if not kind then error("policy: unknown option '" .. tostring(name) .. "'", 3) end
    if kind ~= true and type(value) ~= kind then
      error(("policy: '%s' is a %s, not a %s"):format(name, kind, type(value)), 3)
    end
  end
  for _, name in ipairs { "model", "features", "fallback" } do
    if not options[name] then error("policy: '" .. name .. "' is missing", 3) end
  end
  if (options.actions == nil) == (options.action == nil) then
    error("policy: give either 'actions' or 'action'", 3)
  end
  if options.actions and #options.actions == 0 then error("policy: 'actions' is empty", 3) end
  if options.sample and not (options.sample > 0 and options.sample < math.huge) then
    error("policy: 'sample' is a temperature above 0", 3)
  end
end

local function is_finite(value)
  return type(value) == "number" and value == value and math.abs(value) < math.huge
end

-- A wrong feature is a mistake of the script, which no rule should hide.
local function check_list(list, width, what)
  if type(list) ~= "table" then error(what .. " is no list of numbers", 0) end
  if width and #list ~= width then
    error(("%s has %d numbers instead of %d"):format(what, #list, width), 0)
  end
  for i, value in ipairs(list) do
    if type(value) == "table" then
      check_list(value, nil, ("%s[%d]"):format(what, i))
    elseif not is_finite(value) then
      error(("%s[%d] is %s, not a finite number"):format(what, i, tostring(value)), 0)
    end
  end
end

local function inputs_of(options, view)
  local seen = options.features(view)
  if type(seen) == "table" and type(next(seen)) == "string" then
    for name, list in pairs(seen) do
      if type(list) ~= "number" then check_list(list, nil, "features." .. name) end
    end
    return seen
  end
  check_list(seen, options.width, "features")
  return { [options.input or "features"] = seen }
end

-- Counting ---------------------------------------------------------------------------------------

local function counts_of(name)
  if not state[KEY] then state[KEY] = {} end
  if not state[KEY][name] then state[KEY][name] = { model = 0, fallback = 0 } end
  return state[KEY][name]
end

-- Says the same thing once, until the model has answered again or an hour is over.
local function tell(name, counts, why, code)
  local now, since = haggle.now(), counts.told_at and haggle.now() - counts.told_at
  local pause = counts.told == code and TELL_AGAIN or TELL_OTHER
  if since and since >= 0 and since < pause then return end
  counts.told, counts.told_at = code, now
  log.warn("decided by the fallback rule",
    { policy = name, why = why, fallbacks = counts.fallback })
end

-- policy.counts "thermostat" → { model = 12, fallback = 1, why =, code = }: how often each decided
-- so far, and why it was the rule the last time.
function policy.counts(name)
  local all = state[KEY]
  local counts = all and all[name]
  if not counts then return { model = 0, fallback = 0 } end
  return { model = counts.model, fallback = counts.fallback, why = counts.why, code = counts.code }
end

-- Choosing ---------------------------------------------------------------------------------------

-- The scores of a single row, whether or not it stands in a list of rows; or nil, why.
local function scores_of(outputs, options)
  local name = options.output or "scores"
  local scores = outputs[name]
  if scores == nil then return nil, ("the model has no output '%s'"):format(name) end
  if type(scores) == "table" and #scores == 1 and type(scores[1]) == "table" then
    scores = scores[1]
  end
  local count = type(scores) == "table" and #scores or 1
  if type(scores) ~= "table" or count ~= #options.actions then
    return nil, ("the model has %d scores for %d actions"):format(count, #options.actions)
  end
  for i = 1, count do
    if not is_finite(scores[i]) then return nil, "a score is not a finite number" end
  end
  return scores
end

local function best(scores, among)
  local found
  for _, i in ipairs(among) do
    if not found or scores[i] > scores[found] then found = i end
  end
  return found
end

-- Draws one with the probabilities of a softmax; less by chance, the lower the temperature.
local function draw(scores, among, temperature)
  local top, sum, weights = scores[best(scores, among)], 0.0, {}
  for n, i in ipairs(among) do
    weights[n] = math.exp((scores[i] - top) / temperature)
    sum = sum + weights[n]
  end
  local left = math.random() * sum
  for n, i in ipairs(among) do
    left = left - weights[n]
    if left < 0 then return i end
  end
  return among[#among]
end

-- An action, or nil, why.
local function choose(options, outputs, view)
  if options.action then
    local action, why = options.action(outputs, view)
    if action == nil then return nil, why or "the answer leads to no action" end
    return action
  end
  local scores, why = scores_of(outputs, options)
  if not scores then return nil, why end
  local among = {}
  for i, action in ipairs(options.actions) do
    if not options.allowed or options.allowed(action, view) then among[#among + 1] = i end
  end
  if #among == 0 then return nil, "no action is allowed" end
  local chosen = options.sample and draw(scores, among, options.sample) or best(scores, among)
  return options.actions[chosen]
end

local function answer(options, view)
  local inputs = inputs_of(options, view)
  -- It raises where the model takes other inputs: the operator has opened another one than
  -- the script was written for.
  local ok, outputs, why, code = pcall(agent.infer, options.model, inputs,
    { within = options.within })
  if not ok then return nil, tostring(outputs), "invalid" end
  if not outputs then return nil, why, code end
  local action
  action, why = choose(options, outputs, view)
  if action == nil then return nil, why, "unusable" end
  return action
end

-- Makes a function that decides: decide(view) → action, "model", or action, "fallback", why, code.
-- It suspends. For the top level.
--
--   model                   as the host names it
--   features(view)          a list of finite numbers; or input → list, of a model with several
--   actions                 a list, an action for each score of the model: any values but nil
--   allowed(action, view)   whether it can be chosen now (each can)
--   action(outputs, view)   instead of `actions`: an action from what the model gave, or nil, why
--   fallback(view, why, code)   an action, when the model gives none
--   within = "50ms"         how long the model may take
--   width                   how many features there are; another number raises
--   sample                  a temperature: actions are drawn by their scores, with math.random,
--                           instead of taking the best (the first of equals)
--   input = "features", output = "scores"   as the model names them
--   name                    under which decisions are counted (that of the model)
--
-- Features that are not finite raise. `code` is that of agent.infer, `invalid` where the model
-- takes other inputs, or `unusable` for an answer that fits no action.
function policy.new(options)
  check(options)
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  own.within = haggle.duration(options.within or "50ms")
  local name = options.name or options.model
  return function(view)
    local action, why, code = answer(own, view)
    local counts = counts_of(name)
    if action ~= nil then
      counts.model, counts.told = counts.model + 1, nil
      return action, "model"
    end
    counts.fallback, counts.why, counts.code = counts.fallback + 1, why, code
    tell(name, counts, why, code)
    return own.fallback(view, why, code), "fallback", why, code
  end
end

return policy
