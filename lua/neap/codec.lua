--- neap.codec: the WebSocket protocol from memory to memory, without a socket.
--
-- What specs, tools and other transports use. A session takes bytes and gives
-- events; what it has to say to the peer is taken with `output`.

---@class neap.codec.event
---@field kind "text"|"binary"|"ping"|"pong"|"close"
---@field data? string payload; absent of a close
---@field code? integer of a close: the code received, 1005 for none
---@field reason? string of a close

---@class neap.codec.options
---@field role "server"|"client"
---@field limit? integer bytes of one message; 0, the default, is no limit
---@field mask? string four bytes that mask every frame of a client; random by default
---@field deflate? neap.codec.terms what was agreed on; beside it `min` and `level`

--- What two peers agree on about permessage-deflate, from one's point of view.
---@class neap.codec.terms
---@field send_bits? integer 8 to 15, the default
---@field receive_bits? integer
---@field send_takeover? boolean whether contexts go on from message to message
---@field receive_takeover? boolean
---@field min? integer bytes from which on a message is compressed; 0 by default
---@field level? integer 1, the default, to 9

--- What one peer is willing to do.
---@class neap.codec.wish
---@field takeover? boolean
---@field sends_alone? boolean takes no context of its own over, even so
---@field window? integer bits of either window: 9 to 15, the default

--- One conversation; a to-be-closed value. Once it was terminated, every method
--- returns `nil, message, "closed"`; the other failures are named here.
---
--- - `feed`: `"busy"` until `next` has answered nil.
--- - `next`: nil alone when there is nothing more; nil, message and code, for
---   ever, once the session has failed.
--- - `pause`: lets go of the bytes that were fed and keeps what is left of them.
--- - `send ping pong`: `"protocol"` for text that is not UTF-8, or over 125 bytes.
--- - `close`: starts the closing handshake; without a code the Close is empty.
--- - `output`: the bytes to write since the last call.
--- - `done`: closed both ways, or failed; `fail_code`: the close code of a failure.
--- - `terminate`: ends it now; twice is fine.
---@class neap.codec.session
---@field feed fun(self, bytes: string): true?, string?, string?
---@field next fun(self): neap.codec.event?, string?, string?
---@field pause fun(self): true?, string?, string?
---@field send fun(self, data: string, kind?: string, plain?: boolean): true?, string?, string?
---@field ping fun(self, data?: string): true?, string?, string?
---@field pong fun(self, data?: string): true?, string?, string?
---@field close fun(self, code?: integer, reason?: string): true?, string?, string?
---@field output fun(self): string?, string?, string?
---@field done fun(self): boolean?, string?, string?
---@field fail_code fun(self): integer?, string?, string?
---@field terminate fun(self)

---@class neap.codec.head
---@field opcode integer
---@field fin boolean
---@field rsv integer RSV1 is 4, RSV3 is 1
---@field masked boolean
---@field length integer bytes of payload behind the head
---@field key? string

--- What `frame` writes, right or wrong.
---@class neap.codec.draft
---@field opcode? integer 1, a text, by default
---@field fin? boolean true by default
---@field rsv? integer 0 by default
---@field data? string empty by default
---@field key? string four bytes; masks the data
---@field length_bytes? 0|2|8 forces a form of the length, shortest or not
---@field declared? integer the length that is claimed in place of the real one

--- `utf8`: whether the bytes are a whole valid text. `mask` masks or unmasks.
--- `read_frame`: a head and its size; nil alone when it is not whole yet; nil,
--- message and code when it is wrong. `is_close_code`: whether a Close may carry it.
--- `deflate_accept` reads a request's head: the terms and the header line that
--- answers it, nil alone when no offer can be met. `deflate_offer`: the line of a
--- client. `deflate_check` reads an answer's head, false for a client that offered
--- nothing; nil alone when the server chose nothing.
---@class neap.codec
---@field session fun(options: neap.codec.options): neap.codec.session
---@field utf8 fun(bytes: string): boolean
---@field mask fun(bytes: string, key: string, offset?: integer): string
---@field frame fun(draft: neap.codec.draft): string
---@field read_frame fun(bytes: string): neap.codec.head?, integer|string|nil, string?
---@field is_close_code fun(code: integer): boolean
---@field deflate_accept fun(head: string, wish?: neap.codec.wish): neap.codec.terms?, string?
---@field deflate_offer fun(wish?: neap.codec.wish): string
---@field deflate_check fun(head: string, wish?: neap.codec.wish|false): neap.codec.terms?, string?
local codec = require("neap.core").codec

return codec
