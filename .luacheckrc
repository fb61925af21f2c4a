-- Agents and stdlib modules run in the sandbox; specs, and what they are written with, in plain Lua.
std = "lua54"
max_line_length = 100
read_globals = { "agent", "log", "host" }
globals = { "state", "cache" }
local withheld = {
  "collectgarbage", "debug", "dofile", "io", "load", "loadfile", "package", "rawget", "rawlen",
  "rawset", "warn",
}
not_globals = withheld
exclude_files = { "stdlib/types" } -- annotations, which a test compares with what is there
local plain_lua = {
  "**/*_spec.lua", "stdlib/haggle/test.lua", "stdlib/haggle/test/*.lua", "stdlib/haggle/tool/*.lua",
}
for _, plain in ipairs(plain_lua) do
  files[plain] = { read_globals = withheld }
end
