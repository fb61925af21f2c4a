-- Says back what it is told: the smallest agent that declares its protocol.
agent.describe { name = "echo", version = 1, about = "Says back what it is told" }
agent.protocol {
  name = "echo", version = "1.0",
  messages = {
    say = { body = { text = { type = "string", max = 1000 } }, replies = { "said" } },
    said = { body = { text = "string", times = "integer" } },
  },
}
agent.offer { service = "echo", protocol = "echo/1.0" }

agent.on("echo/1.0/say", function(message)
  state.times = (state.times or 0) + 1
  message:reply("said", { text = message.body.text, times = state.times })
end)
