local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, time = require "haggle", require "haggle.time"
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

local function times(lines, given) return { inside(lines, given) } end

describe("time", function()
  it("reads and writes ISO 8601", function()
    expect(times [[return time.parse "1970-01-01T00:00:01.5Z",
      time.parse "2026-03-29T03:00:00+02:00",
      time.parse "20260329T0300+0200", time.parse "2026-03-29"]]):equals {
      1500, 1774746000000, 1774746000000, 1774742400000 }
    expect(times [[return time.format(0), time.format(1500), time.format(1774746000000,
      "Europe/Vienna"),
      time.format(1774745999000, "Europe/Vienna"), time.format(0, "-03:30"),
        time.format(-1)]]):equals {
      "1970-01-01T00:00:00Z", "1970-01-01T00:00:01.500Z", "2026-03-29T03:00:00+02:00",
      "2026-03-29T01:59:59+01:00", "1969-12-31T20:30:00-03:30", "1969-12-31T23:59:59.999Z" }
    for _, bad in ipairs { "", "yesterday", "2026-02-30", "2026-01-01T25:00Z" } do
      local _, why, code = inside([[return time.parse(given)]], bad)
      expect(code):equals "invalid"
      expect(why):matches "is no time: write it as in"
    end
  end)
  it("takes local times in gaps and overlaps", function()
    expect(times [[return time.parse("2026-03-29T02:30:00", "Europe/Vienna"),
      time.parse("2026-10-25T02:30:00", "Europe/Vienna"), time.parse("2026-07-01T12:00:00.250",
        "Europe/Vienna")]])
      :equals { 1774746000000, 1792888200000, 1782900000250 }
  end)
  it("knows the fields of a time, and the time of fields", function()
    local fields = inside([[return time.fields(1774746000250, "Europe/Vienna")]])
    expect(fields):equals { year = 2026, month = 3, day = 29, hour = 3, minute = 0, second = 0,
      ms = 250,
      weekday = 7, yearday = 88, offset = 7200000, zone = "CEST", daylight = true }
    expect(times [[return time.from({ year = 2026, month = 3, day = 29, hour = 3 },
      "Europe/Vienna"),
      time.from { year = 2025, month = 13, day = 0 }, time.from { year = 1970 }]]):equals {
      1774746000000, 1767139200000, 0 }
    expect(inside [[return pcall(time.from, {})]]):equals(false)
  end)
  it("adds months that end, days that keep their hour, and hours that pass", function()
    expect(times [[
      local function after(text, period, zone) return time.format(time.add(time.parse(text,
        zone), period, zone), zone) end
      return after("2026-01-31T12:00", { months = 1 }), after("2024-02-29T00:00", { years = 1 }),
        after("2026-03-31T00:00", { months = -1 }), after("2026-03-28T09:00", { days = 1 },
          "Europe/Vienna"),
        after("2026-03-28T09:00", { hours = 24 }, "Europe/Vienna"), after("2026-03-28T02:30",
          "P1D", "Europe/Vienna"),
        after("2026-12-31T23:00", "P1Y1DT1H"), after("2026-01-01T00:00", "90m"),
          after("2026-01-15T00:00", { weeks = -1 })
    ]]):equals { "2026-02-28T12:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z",
      "2026-03-29T09:00:00+02:00",
      "2026-03-29T10:00:00+02:00", "2026-03-29T03:00:00+02:00", "2028-01-02T00:00:00Z",
        "2026-01-01T01:30:00Z",
      "2026-01-08T00:00:00Z" }
    for _, bad in ipairs { "{ moons = 1 }", "{ days = 1.5 }", "'soon'", "{ years = 9000 }" } do
      expect { bad, (inside("return pcall(time.add, 0, " .. bad .. ")")) }:equals { bad, false }
    end
  end)
  it("finds where days, weeks, months and years begin", function()
    expect(times [[
      local function start(unit, zone) return time.format(time.start_of(1774785845678, unit,
        zone), zone) end
      return start("day", "Europe/Vienna"), start("week", "Europe/Vienna"), start("month",
        "Europe/Vienna"),
        start("year", "Europe/Vienna"), start("hour"), start("minute"), start("second"),
          start "day"]]):equals {
      "2026-03-29T00:00:00+01:00", "2026-03-23T00:00:00+01:00", "2026-03-01T00:00:00+01:00",
      "2026-01-01T00:00:00+01:00", "2026-03-29T12:00:00Z", "2026-03-29T12:04:00Z",
        "2026-03-29T12:04:05Z",
      "2026-03-29T00:00:00Z" }
    -- In Santiago 6 September has no midnight.
    expect(inside [[return time.format(time.start_of(time.parse "2026-09-06T12:00:00Z", "day",
      "America/Santiago"),
      "America/Santiago")]]):equals "2026-09-06T01:00:00-03:00"
    expect(inside [[return pcall(time.start_of, 0, "century")]]):equals(false)
  end)
  it("counts whole units between two times", function()
    expect(times [[
      local function between(from, to, unit, zone) return time.between(time.parse(from, zone),
        time.parse(to, zone), unit, zone) end
      return between("2026-01-31", "2026-02-28", "month"), between("2026-01-31", "2026-02-27",
        "month"),
        between("2024-02-29", "2028-02-28", "year"), between("2026-03-28", "2026-03-30", "day",
          "Europe/Vienna"),
        between("2026-03-28", "2026-03-30", "hour", "Europe/Vienna"), between("2026-02-28",
          "2026-01-31", "month"),
        between("2026-01-01", "2026-01-15", "week")]]):equals { 1, 0, 3, 2, 47, -1, 2 }
  end)
  it("reads periods", function()
    expect(inside [[return time.period "P1Y2M3W4DT5H6M7.5S"]]):equals { months = 14, days = 25,
      ms = 18367500 }
    expect(inside [[return time.period "-PT1M"]]):equals { months = 0, days = 0, ms = -60000 }
    local _, _, code = inside [[return time.period "1 day"]]
    expect(code):equals "invalid"
  end)
  it("says which zone it does not know", function()
    for _, call in ipairs { 'format(0, "Mars/Base")', 'fields(0, "../x")',
      'parse("2026-01-01", "+25:00")',
      'start_of(0, "day", "")', 'add(0, { days = 1 }, "Europe/Wien")',
        'between(0, 1, "day", "x")' } do
      local _, why, code = inside("return time." .. call)
      expect { call, code }:equals { call, "not_found" }
      expect(why):matches "time zone"
    end
  end)
  it("keeps to the years 1 to 9999", function()
    for _, call in ipairs { "time.format, math.maxinteger", "time.format, -62135596800001",
      "time.fields, 1 << 62",
      "time.add, 253402300799999, { days = 1 }", "time.from, { year = 10000 }",
      "time.from, { year = 1000000000 }", "time.from, { year = -1000000000 }",
      "time.from, { year = 1, month = -1000000000 }", "time.format, 1.5" } do
      expect { call, (inside("return pcall(" .. call .. ")")) }:equals { call, false }
    end
    expect(inside [[return time.format(253402300799999)]]):equals "9999-12-31T23:59:59.999Z"
  end)
  it("tells the same when a handler is run again", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local time = require "haggle.time"
      agent.on("try/1.0/go", function()
        local at = time.format(time.now(), "Europe/Vienna")
        agent.sleep "1h"
        state.at, state.later = at, time.format(time.now(), "Asia/Kathmandu")
      end)]] }
    world:peer("p", {}):send("a", "try/1.0/go", {})
    world:run()
    world:restart()
    world:advance "1h"
    expect(world:state "a"):equals { at = "2026-01-01T01:00:00+01:00",
      later = "2026-01-01T06:45:00+05:45" }
  end)
end)
