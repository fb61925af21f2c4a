-- Tries: to write lines that look like another agent's, and to move the terminal's cursor.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  log.info("x\n00:00:00.000 error witness  FORGED LINE")
  log.info("x\r00:00:00.000 error witness  FORGED LINE")
  log.info("x\u{2028}00:00:00.000 error witness  FORGED LINE\u{85}\u{9b}2J\27[2J\7\8\u{202e}\xff\x9b2J")
  log.warn("fields", { ["a\nFORGED LINE"] = "\nFORGED LINE", b = "\u{9b}2J" })
  print("\n\n\nFORGED LINE", "\0\0\0")
  message:reply("done", {})
end)
