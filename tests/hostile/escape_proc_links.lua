-- Tries: to get around in /proc, which it was granted.
-- Ends: harmless
-- Allow: read=/proc/*
agent.on("hostile/1.0/go", function(message)
  assert(host.read "/proc/loadavg" and host.read "/proc/net/dev")
  for _, path in ipairs { "/proc/self/root/etc/passwd", "/proc/self/cwd/secret",
    "/proc/self/exe", "/proc/self/fd/0", "/proc/thread-self/root/etc/passwd" } do
    local text, _, code = host.read(path)
    assert(text == nil and code == "denied", path .. " " .. tostring(code))
  end
  message:reply("done", {})
end)
