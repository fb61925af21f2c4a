-- Says, offers and logs what would run, hide or spread out if anybody took it for more than text.
local IMG = '<img src=x onerror="window.hostile=1">'
local SCRIPT = "</script><script>window.hostile=1</script>"
local BIDI = "\u{202E}evil\u{2066}\u{200B}\u{0007}\u{001B}[31m"
local LONG = ("0123456789abcdef"):rep(4096) -- 64 KiB without a place to break
local LINK = "javascript:window.hostile=1"

agent.describe { name = IMG, version = 1, about = IMG .. BIDI .. SCRIPT }
agent.offer { service = IMG, protocol = "hostile/1.0", note = BIDI, link = LINK }
agent.offer { service = ("W"):rep(64), protocol = "hostile/1.0", price = 2^53 - 1 }

agent.on_start(function() state[IMG] = { [BIDI] = SCRIPT, long = LONG } end)
agent.every("noise", "500ms", function()
  log.warn(IMG .. BIDI, { [SCRIPT] = IMG, link = LINK })
  agent.send("echo", "echo/1.0/say", { text = IMG .. BIDI .. SCRIPT })
end)
agent.on("echo/1.0/said", function() end)
agent.on("hostile/1.0/long", function(message)
  log.error(LONG)
  agent.send("breaker", "break/1.0/log", { text = LONG, level = "info" })
  message:reply("done", { text = IMG, size = #LONG })
end)
agent.on("hostile/1.0/raise", function() error(IMG .. BIDI .. SCRIPT .. LONG) end)
