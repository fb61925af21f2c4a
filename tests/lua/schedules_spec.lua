-- Schedules by cron lines, at the edges where clocks are changed, and through restarts.
local test = require "haggle.test"
local describe, it, expect = test.describe, test.it, test.expect

local CLERK = [[
agent.every("tick", agent.config, function()
  if not state.at then state.at = {} end
  state.at[#state.at + 1] = os.date("!%Y-%m-%d %H:%M:%S")
  if state.busy then agent.sleep(state.busy) end
end)
agent.on("clerk/1.0/busy", function(message)
  state.busy = message.body.ms
  message:reply("ok", {})
end)
]]

local function clerk(at, schedule)
  local world = test.world { at = at }
  world:agent { name = "clerk", source = CLERK, config = schedule }
  return world
end

local function fires(at, schedule, span, wanted)
  local world = clerk(at, schedule)
  world:advance(span)
  expect(world:state("clerk").at or {}):equals(wanted)
  return world
end

describe("a cron line", function()
  it("fires once behind the gap in Vienna", function()
    fires("2026-03-28T00:00:00Z", { cron = "30 2 * * *", zone = "Europe/Vienna" }, "3d", {
      "2026-03-28 01:30:00", "2026-03-29 01:00:00", "2026-03-30 00:30:00" })
  end)
  it("fires the first time of two in Vienna", function()
    fires("2026-10-24T00:00:00Z", { cron = "30 2 * * *", zone = "Europe/Vienna" }, "3d", {
      "2026-10-24 00:30:00", "2026-10-25 00:30:00", "2026-10-26 01:30:00" })
  end)
  it("goes through both changes of New York", function()
    local schedule = { cron = "30 1,2 * * *", zone = "America/New_York" }
    fires("2026-03-08T05:00:00Z", schedule, "1d", {
      "2026-03-08 06:30:00", "2026-03-08 07:00:00" })
    fires("2026-11-01T04:00:00Z", schedule, "1d", {
      "2026-11-01 05:30:00", "2026-11-01 07:30:00" })
  end)
  it("knows the seasons of the south", function()
    local schedule = { cron = "0 0 * * *", zone = "America/Santiago" }
    fires("2026-09-05T00:00:00Z", schedule, "3d", {
      "2026-09-05 04:00:00", "2026-09-06 04:00:00", "2026-09-07 03:00:00" })
    fires("2026-04-04T00:00:00Z", schedule, "3d", {
      "2026-04-04 03:00:00", "2026-04-05 04:00:00", "2026-04-06 04:00:00" })
  end)
  it("knows changes of half an hour", function()
    fires("2026-10-03T00:00:00Z", { cron = "15 2 * * *", zone = "Australia/Lord_Howe" }, "2d", {
      "2026-10-03 15:30:00", "2026-10-04 15:15:00" })
    fires("2026-04-04T00:00:00Z", { cron = "45 1 * * *", zone = "Australia/Lord_Howe" }, "2d", {
      "2026-04-04 14:45:00", "2026-04-05 15:15:00" })
  end)
  it("for every quarter of an hour follows the clock", function()
    for _, at in ipairs { "2026-03-29T00:20:00Z", "2026-10-25T00:20:00Z" } do
      local world = clerk(at, { cron = "*/15 * * * *", zone = "Europe/Vienna" })
      world:advance "3h"
      expect(#world:state("clerk").at):equals(12)
    end
  end)
  it("knows leap days and the end of the year", function()
    fires("2028-02-28T12:00:00Z", { cron = "0 0 29 2 *" }, "2d", { "2028-02-29 00:00:00" })
    fires("2026-12-31T20:00:00Z", { cron = "@yearly", zone = "Europe/Vienna" }, "1d", {
      "2026-12-31 23:00:00" })
  end)
  it("comes at once when it is new, if it says so, and only then", function()
    local world = fires("2026-01-01T12:00:00Z", { cron = "0 0 * * *", at_start = true }, "1h", {
      "2026-01-01 12:00:00" })
    world:restart()
    world:advance "1h"
    expect(#world:state("clerk").at):equals(1)
    fires("2026-01-01T12:00:00Z", { every = "1h", at_start = true }, "90m", {
      "2026-01-01 12:00:00", "2026-01-01 13:00:00" })
  end)
end)

describe("a schedule by cron", function()
  it("goes on over restarts", function()
    local world = clerk("2026-01-01T12:00:00Z", { cron = "0 * * * *" })
    for _ = 1, 6 do
      world:advance "30m"
      world:restart()
    end
    expect(world:state("clerk").at):equals {
      "2026-01-01 13:00:00", "2026-01-01 14:00:00", "2026-01-01 15:00:00" }
  end)
  it("skips what comes due while its last call goes on", function()
    local world = clerk("2026-01-01T12:00:00Z", { cron = "* * * * *" })
    world:ask("clerk", "clerk/1.0/busy", { ms = 150000 })
    world:advance "5m"
    expect(world:state("clerk").at):equals { "2026-01-01 12:01:00", "2026-01-01 12:04:00" }
    local skipped = 0
    for _, line in ipairs(world:log()) do
      if line.text:find "is skipped" then skipped = skipped + 1 end
    end
    expect(skipped):equals(3)
  end)
  it("is refused with what to write instead", function()
    local bad = {
      { { cron = "0 0 30 2 *" }, "never fires: none of its months has such a day" },
      { { cron = "0 0 * *" }, "has 4 fields: a cron line has five" },
      { { cron = "61 * * * *" }, "'61' is no minute" },
      { { cron = "@reboot" }, "agent.on_start" },
      { { cron = "@daily", zone = "Europe/Wien" }, "no time zone 'Europe/Wien' in .*tzdata" },
      { { cron = "@daily", zone = "../../etc/passwd" }, "is no time zone" },
      { { cron = "" }, "'cron' is empty" },
      { { cron = 5 }, "'cron' is text, got number" },
      { { cron = "@daily", every = "5s" }, "needs one of every" },
      { { at_start = true }, "needs one of every" },
      { { every = "5s", zone = "UTC" }, "only cron goes by a time zone" },
      { { cron = "@daily", at_start = 1 }, "'at_start' is true or false" },
      { { cron = "@daily", zones = "UTC" }, "unknown option 'zones'" },
    }
    for _, case in ipairs(bad) do
      expect(function() clerk("2026-01-01", case[1]) end):raises(case[2])
    end
  end)
end)
