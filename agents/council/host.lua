-- A chair and five members: haggle run --config agents/council/host.lua
local function member(name, is_for, is_against)
  return {
    name = name, script = "member.lua", config = { is_for = is_for, is_against = is_against },
  }
end

return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "chair", script = "chair.lua", config = {
      members = { "nora", "otto", "pia", "quin", "rosa" }, within = "10s",
    } },
    member("nora", { "library", "park" }, {}),
    member("otto", { "road" }, { "tax" }),
    member("pia", { "park", "school" }, { "road" }),
    member("quin", { "library", "road" }, { "tax" }),
    member("rosa", { "school", "tax" }, {}),
  },
}
