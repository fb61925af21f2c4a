-- Tries: to stay in C with JSON and hashes, where no hook fires.
-- Ends: limit: the time limit
local json, crypto = require "haggle.json", require "haggle.crypto"
agent.on("hostile/1.0/go", function()
  local text = "[" .. ("1.25,"):rep(16000) .. "1]"
  while true do
    pcall(json.decode, text, { large = true })
    pcall(crypto.sha512, text)
  end
end)
