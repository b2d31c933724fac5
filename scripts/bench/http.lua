-- Announces of every peer of a set of torrents, in an order that looks random.
--
-- wrk … -s http.lua URL -- HASHES PEERS close|keep-alive TURN
-- HASHES has an info-hash a line, in hexadecimal; PEERS is the number of peers of each torrent;
-- TURN says where to begin.
-- Prints one line of JSON.

local requests = {}
local turn = 0

local HEAD = " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept-Encoding: gzip\r\n"
local REST = "&peer_id=-BN0001-%012d&port=%d&uploaded=0&downloaded=0&left=1048576"
  .. "&corrupt=0&key=%08X&numwant=50&compact=1&no_peer_id=1"
local PORT_FIRST = 1024

function init(args)
  local tail = HEAD .. (args[3] == "close" and "Connection: close\r\n" or "") .. "\r\n"
  for line in io.lines(args[1]) do
    local hash = line:sub(1, 40):gsub("%x%x", "%%%0")
    for peer = 1, tonumber(args[2]) do
      local port = PORT_FIRST + peer
      local rest = REST:format(peer, port, #requests)
      requests[#requests + 1] = "GET /announce?info_hash=" .. hash .. rest .. tail
    end
  end
  math.randomseed(1)
  for i = #requests, 2, -1 do
    local j = math.random(i)
    requests[i], requests[j] = requests[j], requests[i]
  end
  turn = tonumber(args[4])
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local line = '\n{"replies": %d, "secs": %.3f, "bytes": %d, "status": %d, "timeouts": %d, '
    .. '"resets": %d, "refused": %d, "p50_us": %d, "p99_us": %d, "p999_us": %d}\n'
  local errors = summary.errors
  io.write(line:format(summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
    errors.timeout, errors.read + errors.write, errors.connect,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
