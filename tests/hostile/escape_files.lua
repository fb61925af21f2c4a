-- Tries: to read what it was not granted.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  for _, path in ipairs { "/etc/passwd", "/etc/shadow", "", ".", "granted", "//etc/passwd",
    "/proc/self/environ", "/proc/self/mem", "/dev/zero", "/dev/stdin", "control.sock" } do
    local text, why, code = host.read(path)
    assert(text == nil and code == "denied", path)
  end
  assert(not pcall(host.read, "/etc/passwd\xff"))
  assert(not pcall(host.read, ("x"):rep(5000)))
  message:reply("done", {})
end)
