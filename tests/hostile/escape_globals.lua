-- Tries: to find anything that reaches out of the sandbox.
-- Ends: harmless
agent.on("hostile/1.0/go", function(message)
  local env = _ENV
  for _, name in ipairs { "io", "debug", "package", "load", "loadstring", "loadfile", "dofile",
    "rawget", "rawset", "rawlen", "collectgarbage", "warn", "newproxy", "setfenv", "getfenv", "jit",
    "ffi", "bit32", "module" } do
    assert(env[name] == nil, name)
  end
  for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale",
    "clock", "difftime" } do
    assert(os[name] == nil, name)
  end
  assert(string.dump == nil and math.randomseed == nil)
  message:reply("done", {})
end)
