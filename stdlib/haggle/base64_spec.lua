local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, base64 = require "haggle", require "haggle.base64"
    local function go(given) ]] .. lines .. [[ end
    agent.on("try/1.0/go", function(message)
      local got = table.pack(go(agent.config.given))
      for i = 1, got.n do if got[i] == nil then got[i] = haggle.null end end
      message:reply("done", { got = haggle.array { table.unpack(got, 1, got.n) } })
    end)]] }
  local reply, why = world:ask("a", "try/1.0/go", {})
  if not reply then error(why .. "\n" .. test.show(world:dead()), 2) end
  return table.unpack(reply.body.got)
end

describe("base64", function()
  it("writes and reads the examples of RFC 4648", function()
    local plain = { "", "f", "fo", "foo", "foob", "fooba", "foobar" }
    local coded = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
    for i, text in ipairs(plain) do
      local encoded, url, decoded, back = inside([[
        return base64.encode(given), base64.encode_url(given),
          base64.decode(base64.encode(given)):raw(),
          base64.decode_url(base64.encode_url(given)):raw()]], text)
      expect { encoded, url, decoded, back }:equals { coded[i], (coded[i]:gsub("=", "")), text,
        text }
    end
  end)
  it("has two alphabets", function()
    expect { inside [[return base64.encode "\xfb\xff\xfe",
      base64.encode_url(haggle.bytes "\xfb\xff\xfe")]] }
      :equals { "+//+", "-__-" }
  end)
  it("reads exactly what it writes", function()
    for _, bad in ipairs { "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm9v\n",
      " Zm9v",
      "Zm9v====", "Zg==Zg==", "Zm-v", "Zm_v", "Zm9\0" } do
      local _, why, code = inside([[return base64.decode(given)]], bad)
      expect { bad, code }:equals { bad, "malformed" }
      expect(why):matches "base64"
    end
    for _, bad in ipairs { "Z", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Zg\n" } do
      local _, _, code = inside([[return base64.decode_url(given)]], bad)
      expect { bad, code }:equals { bad, "malformed" }
    end
  end)
  it("takes a megabyte of text or bytes, and nothing else", function()
    expect(inside [[return #base64.encode(("x"):rep(1 << 20))]]):equals(1398104)
    for _, call in ipairs { 'base64.encode, ("x"):rep((1 << 20) + 1)', 'base64.encode, 5',
      'base64.decode, {}',
      "base64.decode" } do
      expect { call, (inside("return pcall(" .. call .. ")")) }:equals { call, false }
    end
  end)
end)
