"""The two agents of the tests of full disks: one counts up, the other looks that nothing is missing."""

SENDER = """
local FILL = string.rep("x", 2000)
agent.on_start(function(reason)
  if reason == "created" then state.sent, state.answered, state.undelivered = 0, 0, 0 end
end)
agent.on("count/1.0/begin", function(message)
  state.to = message.body.to
  message:reply("began", {})
end)
agent.on("count/1.0/halt", function(message)
  state.to = nil
  message:reply("halted", { sent = state.sent })
end)
agent.every("burst", "50ms", function()
  if not state.to or state.sent - state.answered > 60 then return end
  for _ = 1, 5 do
    state.sent = state.sent + 1
    agent.send(state.to, "count/1.0/number", { n = state.sent, fill = FILL })
  end
end)
agent.on("count/1.0/seen", function() state.answered = state.answered + 1 end)
agent.on_undelivered(function() state.undelivered = state.undelivered + 1 end)
agent.on("count/1.0/report", function(message)
  message:reply("is", { sent = state.sent, answered = state.answered,
    undelivered = state.undelivered })
end)
"""
RECEIVER = """
agent.on_start(function(reason)
  if reason == "created" then state.last, state.wrong = 0, 0 end
end)
agent.on("count/1.0/number", function(message)
  if message.body.n ~= state.last + 1 then state.wrong = state.wrong + 1 end
  state.last = message.body.n
  message:reply("seen", {})
end)
agent.on("count/1.0/report", function(message)
  message:reply("is", { last = state.last, wrong = state.wrong })
end)
"""
