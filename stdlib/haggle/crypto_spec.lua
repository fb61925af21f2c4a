local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, crypto = require "haggle", require "haggle.crypto"
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

describe("crypto", function()
  it("hashes as FIPS 180 has it", function()
    local short, long, empty = inside [[return haggle.tohex(crypto.sha256 "abc"),
      haggle.tohex(crypto.sha512 "abc"), haggle.tohex(crypto.sha256(haggle.bytes ""))]]
    expect(short):equals "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    expect(long):equals("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    expect(empty):equals "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  end)
  it("authenticates as RFC 4231 has it", function()
    local short, long = inside [[return haggle.tohex(crypto.hmac_sha256("Jefe",
      "what do ya want for nothing?")),
      haggle.tohex(crypto.hmac_sha512("Jefe", haggle.bytes "what do ya want for nothing?"))]]
    expect(short):equals "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    expect(long):equals("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      .. "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737")
  end)
  it("compares text and bytes", function()
    expect { inside [[return crypto.equal("a", haggle.bytes "a"), crypto.equal("a", "b"),
      crypto.equal("a", "ab"),
      crypto.equal("", "")]] }:equals { true, false, false, true }
  end)
  it("signs with the agent's key, for anyone to verify", function()
    local size, good, same, other, shorter, foreign = inside [[
      local mark = crypto.sign "paid: 40"
      local _, _, changed = crypto.verify(agent.id, "paid: 41", mark)
      local _, _, short = crypto.verify(agent.id, "paid: 40", haggle.bytes(mark:raw():sub(1, 63)))
      local nobody = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
      local _, _, wrong = crypto.verify(nobody, "paid: 40", mark)
      return #mark, crypto.verify(agent.id, haggle.bytes "paid: 40", mark), crypto.equal(mark,
        crypto.sign "paid: 40"),
        changed, short, wrong]]
    expect { size, good, same, other, shorter, foreign }:equals {
      64, true, true, "bad_signature", "bad_signature", "bad_signature" }
    local _, why, code = inside [[return crypto.verify("did:web:x", "",
      haggle.bytes(("x"):rep(64)))]]
    expect(code):equals "malformed"
    expect(why):exists()
  end)
  it("signs nothing that could be something else", function()
    -- The data itself is not what is signed.
    expect(inside [[
      local mark = crypto.sign "haggle-noise-static-key:0123"
      local _, _, code = crypto.verify(agent.id,
        "haggle-signed-text:haggle-noise-static-key:0123", mark)
      return code]]):equals "bad_signature"
  end)
  it("gives chance that nobody can guess, the same when a handler is run again", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local crypto, haggle = require "haggle.crypto", require "haggle"
      agent.on("try/1.0/go", function()
        local secret, mark = crypto.random(16), crypto.sign "x"
        state.first = haggle.tohex(secret)
        agent.sleep "1h"
        state.second, state.mark = haggle.tohex(secret), #mark
        state.third = haggle.tohex(crypto.random(16))
      end)]] }
    world:peer("p", {}):send("a", "try/1.0/go", {})
    world:run()
    world:restart()
    world:advance "2h"
    local state = world:state "a"
    expect(state.second):equals(state.first)
    expect(#state.first):equals(32)
    expect(state.mark):equals(64)
    expect(state.third):differs_from(state.first)
  end)
  it("computes with a secret that the agent never sees", function()
    local world = test.world()
    world:agent { name = "a", allow = { "secret=key" }, source = [[
      local crypto, haggle = require "haggle.crypto", require "haggle"
      agent.on("try/1.0/go", function()
        local key = haggle.secret "key"
        local first = crypto.hmac_sha256("v1" .. key .. "\xff", "data")
        agent.sleep "1h"
        state.done = {
          same = crypto.equal(first, crypto.hmac_sha256("v1[secret key]\xff", "data")),
          long = crypto.equal(crypto.hmac_sha512(key, haggle.bytes "data"),
            crypto.hmac_sha512("[secret key]", "data")),
          refused = not pcall(crypto.sha256, key) and not pcall(crypto.equal, key, "x")
            and not pcall(crypto.hmac_sha256, "x", key),
        }
      end)]] }
    world:peer("p", {}):send("a", "try/1.0/go", {})
    world:run()
    world:restart()
    world:advance "2h"
    expect(world:state("a").done):equals { same = true, long = true, refused = true }
    expect(function()
      test.world():agent { name = "b", allow = { "secret=key" }, source = [[
        require("haggle.crypto").hmac_sha256(require("haggle").secret "key", "x")]] }
    end):raises "at the top level"
  end)
  it("acts in handlers only, on what it can take", function()
    for _, call in ipairs { "crypto.random, 0", "crypto.random, 1025", 'crypto.random, "x"',
      "crypto.sha256",
      "crypto.sha256, 5", 'crypto.sha256, ("x"):rep((1 << 20) + 1)',
        "crypto.verify, agent.id, 'x'" } do
      expect { call, (inside("return pcall(" .. call .. ")")) }:equals { call, false }
    end
    for _, call in ipairs { "sign 'x'", "random(1)" } do
      expect(function()
        test.world():agent { name = "b", source = "require('haggle.crypto')." .. call }
      end):raises "at the top level"
    end
  end)
end)
