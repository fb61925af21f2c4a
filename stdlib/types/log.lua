---@meta

---What is seen in `haggle tail`. `print` is `log.info`.
---@class haggle.Log
log = {}

---@param text any
---@param fields? table
function log.debug(text, fields) end

---@param text any
---@param fields? table
function log.info(text, fields) end

---@param text any
---@param fields? table
function log.warn(text, fields) end

---@param text any
---@param fields? table
function log.error(text, fields) end
