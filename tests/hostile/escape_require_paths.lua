-- Tries: to load files from elsewhere as modules.
-- Ends: harmless
for _, name in ipairs { "../secret", "..secret", "/etc/passwd", "haggle/../../secret", "x..y",
  "haggle.../secret", ".", "..", "", "haggle.", "a\0b", ("x"):rep(1000), "~/x", "C:x", "x/y",
  "haggle.%2e%2e" } do
  assert(not pcall(require, name), name)
end
agent.on("hostile/1.0/go", function(message)
  assert(not pcall(require, "haggle.market"))
  message:reply("done", {})
end)
