-- Tries: to ask everyone everything at once.
-- Ends: limit: 1000 questions
-- Limits: stretch = "1s"
agent.on("hostile/1.0/go", function()
  local questions = {}
  for i = 1, 1000 do questions[i] = { "witness", "witness/1.0/noise", {} } end
  agent.ask_all(questions, { within = "1s" })
end)
