-- For wrk: every request has its own id, trace and body. About 300 bytes of body.
local number = 0

request = function()
  number = number + 1
  wrk.headers["X-Request-Id"] = "bench-" .. number
  wrk.headers["traceparent"] = string.format("00-%032x-%016x-01", number, number)
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer dapi0123456789"
  local body = string.format(
    '{"dataframe_split": {"columns": ["a", "b", "c"], "data": [[%d, 2.5, 3.5], [1, 2, 3]], "index": [0, 1]}, "pad": "%s"}',
    number, string.rep("x", 190))
  return wrk.format("POST", nil, nil, body)
end
