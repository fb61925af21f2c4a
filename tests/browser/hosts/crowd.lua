-- Two thousand agents, each of which says a word to another now and then.
return {
  agents = { { name = "worker", script = "worker.lua", count = 2000 } },
}
