-- Tries: to act before it runs: the top level only declares.
-- Ends: refused: agent.send
agent.send("witness", "witness/1.0/add", { by = 1000 })
