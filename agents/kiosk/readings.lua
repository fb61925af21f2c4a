-- What the files of /proc say, as tables; nil, why when one is not as expected.
local readings = {}

-- "0.83 1.81 1.54 3/93 16914" → load averages of 1, 5 and 15 minutes, and processes.
function readings.load(text)
  local one, five, fifteen, running, all =
    text:match "^([%d.]+) ([%d.]+) ([%d.]+) (%d+)/(%d+) "
  if not all then return nil, "/proc/loadavg is not as expected" end
  return {
    one = tonumber(one) + 0.0, five = tonumber(five) + 0.0, fifteen = tonumber(fifteen) + 0.0,
    running = tonumber(running), processes = tonumber(all),
  }
end

-- Bytes.
function readings.memory(text)
  local total = text:match "MemTotal:%s*(%d+) kB"
  local available = text:match "MemAvailable:%s*(%d+) kB"
  if not available then return nil, "/proc/meminfo is not as expected" end
  return { total = tonumber(total) * 1024, available = tonumber(available) * 1024 }
end

-- Bytes since the machine started, of each interface and of all but the loopback one.
function readings.network(text)
  local result = { received = 0, sent = 0, interfaces = {} }
  for line in text:gmatch "[^\n]+" do
    local name, counters = line:match "^%s*([^%s:|]+):%s*(.*)$"
    local values = {}
    for value in (counters or ""):gmatch "%d+" do values[#values + 1] = tonumber(value) end
    if #values >= 9 then
      result.interfaces[name] = { received = values[1], sent = values[9] }
      if name ~= "lo" then
        result.received = result.received + values[1]
        result.sent = result.sent + values[9]
      end
    end
  end
  if not next(result.interfaces) then return nil, "/proc/net/dev is not as expected" end
  return result
end

return readings
