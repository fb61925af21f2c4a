-- Tries: the heap overflow of Lua 5.4.4's parser on a constant _ENV (CVE-2022-28805).
-- Ends: limit: attempt to index
agent.on("hostile/1.0/go", function()
  local _ENV <const> = {}
  Aa, Bb = Cc, Dd
  local _ = Ee == 1 and ~Ff & 0xff | 1
  Aa.bb.cc = "index"
end)
