-- A shop and two customers: haggle run --config agents/shop/host.lua
return {
  listen = "127.0.0.1:0",
  agents = {
    { name = "shop", script = "agent.lua", config = {
      restock = "10m",
      goods = {
        { name = "apples", asking = 12, floor = 7, stock = 40 },
        { name = "honey", asking = 60, floor = 45, stock = 6 },
      },
    } },
    { name = "dora", script = "customer.lua", config = {
      purse = 400, every = "2s",
      wishes = { { good = "apples", worth = 10 }, { good = "honey", worth = 50 } },
    } },
    { name = "emil", script = "customer.lua", config = {
      purse = 150, every = "3s", wishes = { { good = "apples", worth = 11 } },
    } },
  },
}
