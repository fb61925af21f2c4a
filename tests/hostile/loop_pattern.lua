-- Tries: to keep the pattern matcher backtracking, where no hook fires.
-- Ends: limit: the time limit
agent.on("hostile/1.0/go", function()
  local text = ("a"):rep(3000)
  while true do pcall(text.find, text, ".-.-.-.-.-b") end
end)
