import CNGHTTP2

/// The server's side of one HTTP/2 connection. Every call into libnghttp2 stands in this file.
///
/// nghttp2 holds one strong reference to the `Call` of each open stream, as the stream's user data:
/// taken in `adopt`, given up in the stream-close callback or, when the session is deleted, which
/// calls no callbacks, by the connection's own list.
final class HTTP2Session {
    private let session: OpaquePointer

    /// Nil when memory is short or a setting is out of HTTP/2's range.
    init?(connection: Connection) {
        let settings = connection.settings
        var created: OpaquePointer?
        let user = Unmanaged.passUnretained(connection).toOpaque()
        guard nghttp2_session_server_new2(&created, callbackTable, user, optionTable) == 0,
            let created
        else { return nil }
        session = created
        var entries = [
            entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.maximumConcurrentStreams),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.maximumHeaderListBytes),
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, Self.streamWindowBytes),
            entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ]
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        guard nghttp2_submit_settings(session, none, &entries, entries.count) == 0,
            nghttp2_session_set_local_window_size(session, none, 0, Self.connectionWindowBytes) == 0
        else { return nil }
    }

    deinit { nghttp2_session_del(session) }

    /// What one call may upload before it is acknowledged.
    private static let streamWindowBytes = 1 << 20
    /// What all calls of the connection may upload together. Both must be set: the default of
    /// 64 KiB lets uploads crawl.
    private static let connectionWindowBytes: Int32 = 8 << 20

    // MARK: - Bytes

    /// Takes bytes of the peer in; returns why the connection must end, if so.
    func receive(_ bytes: UnsafeRawBufferPointer) -> String? {
        let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        let result = nghttp2_session_mem_recv(session, base, bytes.count)
        return result < 0 ? reason(Int32(truncatingIfNeeded: result)) : nil
    }

    /// The next frame to send, empty when there is none; valid until the next call.
    /// Nil when the session is broken.
    func nextFrame() -> UnsafeRawBufferPointer? {
        var bytes: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(session, &bytes)
        return count < 0 ? nil : UnsafeRawBufferPointer(start: bytes, count: count)
    }

    /// Neither side has anything more to say: close.
    var isDone: Bool {
        nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
    }

    private func reason(_ code: Int32) -> String {
        nghttp2_strerror(code).map { String(cString: $0) } ?? "HTTP/2 error \(code)"
    }

    // MARK: - Streams

    /// Makes `call` the stream's own, with a strong reference.
    func adopt(_ call: Call) -> Bool {
        let held = Unmanaged.passRetained(call)
        let opaque = held.toOpaque()
        guard nghttp2_session_set_stream_user_data(session, call.streamID, opaque) == 0 else {
            held.release()
            return false
        }
        return true
    }

    /// Gives up the reference that `adopt` took, for a session that is about to be deleted.
    static func release(_ call: Call) -> Call {
        Unmanaged.passUnretained(call).takeRetainedValue()
    }

    /// Starts an answer: headers, then what `Call.fill` gives, then trailers. A call that ends with
    /// nothing queued gets Trailers-Only: one HEADERS frame with all in it.
    func submitAnswer(_ call: Call) {
        if call.bufferedBytes == 0 {
            var block = answerHead
            switch call.ending {
            case .none: break
            case .ok: block.append("grpc-status", "0")
            case .trailers(let trailers): block.append(contentsOf: trailers)
            }
            submit(block, on: call.streamID)
            return
        }
        let source = nghttp2_data_source(ptr: Unmanaged.passUnretained(call).toOpaque())
        var provider = nghttp2_data_provider(source: source, read_callback: fillFrame)
        nghttp2_submit_response(session, call.streamID, headFields, 2, &provider)
    }

    /// Answers a stream with one HEADERS frame.
    func submit(_ block: HeaderBlock, on streamID: Int32) {
        withFields(block) { fields, count in
            _ = nghttp2_submit_response(session, streamID, fields, count, nil)
        }
    }

    /// Lets the client send `count` bytes more, on the call's stream and on the connection, in
    /// place of those that have been dealt with.
    func credit(_ call: Call, _ count: Int) {
        nghttp2_session_consume(session, call.streamID, count)
    }

    /// Asks `Call.fill` again after it had nothing.
    func resume(_ call: Call) {
        nghttp2_session_resume_data(session, call.streamID)
    }

    /// Resets a stream whose reader is too slow.
    func resetSlowReader(_ streamID: Int32) {
        let code = NGHTTP2_ENHANCE_YOUR_CALM.rawValue
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), streamID, code)
    }

    // MARK: - The connection

    /// Sends a PING, whose answer reaches `Connection.pongReceived`.
    func ping() {
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
    }

    /// First half of a drain: asks the peer to open no more streams.
    func submitShutdownNotice() {
        nghttp2_submit_shutdown_notice(session)
    }

    /// Second half, a round trip later: tells which streams will still be answered.
    func submitFinalGoAway() {
        let last = nghttp2_session_get_last_proc_stream_id(session)
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        nghttp2_submit_goaway(session, none, last, NGHTTP2_NO_ERROR.rawValue, nil, 0)
    }

    /// Ends the connection with GOAWAY, ENHANCE_YOUR_CALM; input is ignored from now on.
    func terminate() {
        nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
    }
}

// MARK: - Header fields

/// The two fields of every answer; their bytes are static, so nothing is copied.
nonisolated(unsafe) private let headFields: UnsafeMutablePointer<nghttp2_nv> = {
    let fields = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: 2)
    fields.initialize(to: staticField(":status", "200"))
    (fields + 1).initialize(to: staticField("content-type", "application/grpc"))
    return fields
}()

/// The trailer of success.
nonisolated(unsafe) private let okTrailer: UnsafeMutablePointer<nghttp2_nv> = {
    let field = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: 1)
    field.initialize(to: staticField("grpc-status", "0"))
    return field
}()

/// The head of an answer that is one HEADERS frame.
let answerHead: HeaderBlock = {
    var block = HeaderBlock()
    block.append(":status", "200")
    block.append("content-type", "application/grpc")
    return block
}()

private func staticField(_ name: StaticString, _ value: StaticString) -> nghttp2_nv {
    nghttp2_nv(
        name: UnsafeMutablePointer(mutating: name.utf8Start),
        value: UnsafeMutablePointer(mutating: value.utf8Start),
        namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
        flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
    )
}

/// Lends the block to nghttp2, which copies it.
private func withFields(
    _ block: HeaderBlock, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Void
) {
    block.bytes.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress.map(UnsafeMutablePointer.init(mutating:)) else { return }
        let fields = block.fields.map { field in
            nghttp2_nv(
                name: base + field.name.lowerBound, value: base + field.value.lowerBound,
                namelen: field.name.count, valuelen: field.value.count,
                flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
        }
        fields.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
    }
}

private func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
    nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
}

// MARK: - Options and callbacks

/// Limits on what a hostile peer can make the library do. All are spelled out, because some
/// distributions ship versions with other defaults.
nonisolated(unsafe) private let optionTable: OpaquePointer? = {
    var options: OpaquePointer?
    guard nghttp2_option_new(&options) == 0 else { return nil }
    // Above the limit of `Connection.resetReceived`, which comes first and says why.
    nghttp2_option_set_stream_reset_rate_limit(options, 10_000, 330)
    // PING and SETTINGS answers that may wait unsent for a peer that does not read.
    nghttp2_option_set_max_outbound_ack(options, 1000)
    nghttp2_option_set_max_settings(options, 32)
    nghttp2_option_set_max_continuations(options, 8)
    nghttp2_option_set_no_closed_streams(options, 1)
    // Credit is given by `credit`, when the bytes have been dealt with.
    nghttp2_option_set_no_auto_window_update(options, 1)
    return options
}()

nonisolated(unsafe) private let callbackTable: OpaquePointer? = {
    var table: OpaquePointer?
    guard nghttp2_session_callbacks_new(&table) == 0 else { return nil }
    nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, user in
        guard let frame, let user else { return callbackFailure }
        with(user) { $0.headersBegan(streamID: frame.pointee.hd.stream_id) }
        return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(table) {
        _, _, name, nameCount, value, valueCount, _, user in
        guard let user else { return callbackFailure }
        let name = UnsafeBufferPointer(start: name, count: nameCount)
        let value = UnsafeBufferPointer(start: value, count: valueCount)
        // nghttp2 advertises the limit of a header list but does not enforce it.
        let isWithinLimit = with(user) { $0.headerReceived(name: name, value: value) }
        return isWithinLimit ? 0 : streamFailure
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(table) { session, frame, user in
        guard let frame, let user else { return callbackFailure }
        with(user) { frameReceived(session, frame, $0) }
        return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) {
        session, flags, streamID, bytes, count, user in
        let chunk = UnsafeRawBufferPointer(start: bytes, count: count)
        let isFinal = flags & endStream != 0
        let isTaken = withCall(session, streamID) { $0.receive(chunk, isFinal: isFinal) }
        // A stream without a call, because its method is unknown: nothing is kept of it.
        if !isTaken { nghttp2_session_consume(session, streamID, count) }
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(table) { session, frame, user in
        guard let frame, let user else { return callbackFailure }
        frameSent(session, frame, user)
        return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(table) { session, streamID, _, user in
        guard let user else { return 0 }
        with(user) { $0.streamClosed(streamID: streamID) }
        guard let held = nghttp2_session_get_stream_user_data(session, streamID) else { return 0 }
        nghttp2_session_set_stream_user_data(session, streamID, nil)
        let call = Unmanaged<Call>.fromOpaque(held).takeRetainedValue()
        with(user) { $0.streamClosed(call) }
        return 0
    }
    return table
}()

private let callbackFailure = NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
private let streamFailure = NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
private let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
private let acknowledgement = UInt8(NGHTTP2_FLAG_ACK.rawValue)

private func with<Result>(
    _ user: UnsafeMutableRawPointer, _ body: (Connection) -> Result
) -> Result {
    Unmanaged<Connection>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
}

/// False when the stream has no call.
@discardableResult
private func withCall(
    _ session: OpaquePointer?, _ streamID: Int32, _ body: (Call) -> Void
) -> Bool {
    guard let held = nghttp2_session_get_stream_user_data(session, streamID) else { return false }
    body(Unmanaged<Call>.fromOpaque(held).takeUnretainedValue())
    return true
}

private func frameReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>, _ connection: Connection
) {
    let head = frame.pointee.hd
    let isFinal = head.flags & endStream != 0
    switch UInt32(head.type) {
    case NGHTTP2_DATA.rawValue:
        if isFinal {
            withCall(session, head.stream_id) { $0.requestEnded() }
        } else if head.length <= frame.pointee.data.padlen {
            connection.spendIdleFrame()
        }
    case NGHTTP2_HEADERS.rawValue:
        let isRequest = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
        connection.headersEnded(streamID: head.stream_id, isRequest: isRequest)
        if isFinal { withCall(session, head.stream_id) { $0.requestEnded() } }
    case NGHTTP2_PING.rawValue where head.flags & acknowledgement != 0:
        connection.pongReceived()
    case NGHTTP2_SETTINGS.rawValue where head.flags & acknowledgement != 0:
        break
    case NGHTTP2_SETTINGS.rawValue:
        connection.settingsReceived()
        connection.spendIdleFrame()
    case NGHTTP2_RST_STREAM.rawValue:
        connection.resetReceived()
    case NGHTTP2_GOAWAY.rawValue:
        break
    default:  // default: open set (frame types)
        connection.spendIdleFrame()
    }
}

private func frameSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>,
    _ user: UnsafeMutableRawPointer
) {
    let head = frame.pointee.hd
    if UInt32(head.type) == NGHTTP2_HEADERS.rawValue {
        guard head.flags & endStream != 0 else { return }
        // RFC 9113 §8.1: answered before the request ended; the client need not send the rest.
        guard nghttp2_session_get_stream_remote_close(session, head.stream_id) == 0 else { return }
        let none = UInt8(NGHTTP2_FLAG_NONE.rawValue)
        nghttp2_submit_rst_stream(session, none, head.stream_id, NGHTTP2_NO_ERROR.rawValue)
    } else if UInt32(head.type) == NGHTTP2_RST_STREAM.rawValue {
        let code = frame.pointee.rst_stream.error_code
        // Refused for its number: no call began, and who has not seen our SETTINGS opens many.
        guard code != NGHTTP2_NO_ERROR.rawValue, code != NGHTTP2_REFUSED_STREAM.rawValue else {
            return
        }
        with(user) { $0.resetSent() }
    } else if UInt32(head.type) == NGHTTP2_GOAWAY.rawValue {
        let goAway = frame.pointee.goaway
        guard goAway.error_code != NGHTTP2_NO_ERROR.rawValue else { return }
        let text = UnsafeBufferPointer(start: goAway.opaque_data, count: goAway.opaque_data_len)
        let code = nghttp2_http2_strerror(goAway.error_code).map { String(cString: $0) } ?? ""
        with(user) { $0.protocolViolated("\(code) \(String(decoding: text, as: UTF8.self))") }
    }
}

/// nghttp2 asks for the next DATA frame of a stream.
private let fillFrame: nghttp2_data_source_read_callback = {
    session, streamID, buffer, length, flags, source, _ in
    guard let held = source?.pointee.ptr, let buffer, let flags else {
        return Int(callbackFailure)
    }
    let call = Unmanaged<Call>.fromOpaque(held).takeUnretainedValue()
    switch call.fill(UnsafeMutableRawBufferPointer(start: buffer, count: length)) {
    case .nothing:
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    case .bytes(let count):
        return count
    case .last(let count):
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        var result: Int32 = 0
        if case .trailers(let block) = call.ending {
            withFields(block) { result = nghttp2_submit_trailer(session, streamID, $0, $1) }
        } else {
            result = nghttp2_submit_trailer(session, streamID, okTrailer, 1)
        }
        return result == 0 ? count : Int(streamFailure)
    }
}
