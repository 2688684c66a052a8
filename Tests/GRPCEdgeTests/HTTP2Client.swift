import CNGHTTP2

/// A small, honest gRPC client on one thread, built on nghttp2's client session.
final class HTTP2Client {
    /// What came back on a stream.
    struct Answer {
        var fields: [String: String] = [:]
        var headerFrames = 0
        var body: [UInt8] = []
        var isClosed = false
        var errorCode: UInt32 = 0

        var grpcStatus: Int? { fields["grpc-status"].flatMap(Int.init) }
        var grpcMessage: String? { fields["grpc-message"].map(HTTP2Client.percentDecoded) }

        /// The whole messages in the body.
        var messages: [[UInt8]] {
            var result: [[UInt8]] = []
            var rest = body[...]
            while rest.count >= 5 {
                let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
                guard rest.count >= 5 + length else { break }
                result.append(Array(rest.dropFirst(5).prefix(length)))
                rest = rest.dropFirst(5 + length)
            }
            return result
        }
    }

    private struct Upload {
        var bytes: [UInt8] = []
        var offset = 0
        var isEnded = false
        var isDeferred = false
    }

    let socket: ClientSocket
    private(set) var answers: [Int32: Answer] = [:]
    private(set) var goAways = 0
    private(set) var pings = 0
    private var uploads: [Int32: Upload] = [:]
    private var session: OpaquePointer?
    private var output: [UInt8] = []
    private var outputOffset = 0

    init(port: Int, source: UInt32? = nil) throws {
        socket = try ClientSocket(port: port, source: source)
        let user = Unmanaged.passUnretained(self).toOpaque()
        nghttp2_session_client_new(&session, clientCallbacks, user)
        var window = nghttp2_settings_entry(
            settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: 1 << 20)
        nghttp2_submit_settings(session, 0, &window, 1)
        nghttp2_session_set_local_window_size(session, 0, 0, 4 << 20)
    }

    deinit { nghttp2_session_del(session) }

    // MARK: - Calls

    /// Opens a call; `send` and `end` give it a body.
    func open(_ path: String, _ more: [(String, String)] = []) -> Int32 {
        openRaw(
            [
                (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"),
                ("content-type", "application/grpc"), ("te", "trailers"),
            ] + more)
    }

    /// Opens a stream with exactly these fields.
    func openRaw(_ fields: [(String, String)]) -> Int32 {
        let flat = fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }
        var provider = nghttp2_data_provider()
        provider.read_callback = readUpload
        // nghttp2 copies the fields; the arrays live until then.
        let pointers = flat.map { name, value in
            let copy = UnsafeMutableBufferPointer<UInt8>.allocate(
                capacity: name.count + value.count + 1)
            _ = copy.initialize(from: name + value + [0])
            return copy
        }
        defer { for pointer in pointers { pointer.deallocate() } }
        let table = zip(flat, pointers).map { field, pointer in
            nghttp2_nv(
                name: pointer.baseAddress, value: pointer.baseAddress.map { $0 + field.0.count },
                namelen: field.0.count, valuelen: field.1.count, flags: 0)
        }
        let id = nghttp2_submit_request(session, nil, table, table.count, &provider, nil)
        answers[id] = Answer()
        uploads[id] = Upload()
        return id
    }

    func sendRaw(_ bytes: [UInt8], on id: Int32) {
        uploads[id]?.bytes += bytes
        resume(id)
    }

    /// Sends one gRPC message.
    func send(_ message: [UInt8], on id: Int32) {
        let length = message.count
        let prefix = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
        sendRaw([0] + prefix + message, on: id)
    }

    func end(_ id: Int32) {
        uploads[id]?.isEnded = true
        resume(id)
    }

    /// What of a call's body HTTP/2 has not taken yet, for want of credit.
    func unsentBytes(of id: Int32) -> Int {
        uploads[id].map { $0.bytes.count - $0.offset } ?? 0
    }

    func reset(_ id: Int32) {
        nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_CANCEL.rawValue)
    }

    /// Opens a unary call and leaves it open.
    func start(
        _ path: String, _ message: [UInt8], _ more: [(String, String)] = []
    ) -> Int32 {
        let id = open(path, more)
        send(message, on: id)
        end(id)
        return id
    }

    /// Makes a unary call and waits for its end.
    func call(
        _ path: String, _ message: [UInt8] = [1, 2, 3], _ more: [(String, String)] = []
    ) throws -> Answer {
        try finish(start(path, message, more))
    }

    /// Waits for the end of a stream.
    func finish(_ id: Int32, within timeout: Duration = .seconds(20)) throws -> Answer {
        try run("stream \(id) ends", within: timeout) { answers[id]?.isClosed ?? true }
        return answers[id] ?? Answer()
    }

    private func resume(_ id: Int32) {
        guard uploads[id]?.isDeferred == true else { return }
        uploads[id]?.isDeferred = false
        nghttp2_session_resume_data(session, id)
    }

    // MARK: - The loop

    /// Sends and receives until `condition` holds.
    func run(
        _ what: String, within timeout: Duration = .seconds(20), until condition: () -> Bool
    ) throws {
        let end = ContinuousClock.now + timeout
        while true {
            write()
            if condition() { return }
            guard ContinuousClock.now < end, !socket.isClosed else {
                throw ClientFailure.timedOut(what)
            }
            socket.wait(toWrite: outputOffset < output.count, milliseconds: 20)
            let bytes = socket.readSome()
            guard !bytes.isEmpty else { continue }
            let result = nghttp2_session_mem_recv(session, bytes, bytes.count)
            guard result >= 0 else { throw ClientFailure.protocolError(result) }
        }
    }

    /// Goes on until the server has closed.
    func waitForClose() throws {
        try eventually("the server closes") {
            write()
            let bytes = socket.readSome()
            if !bytes.isEmpty { _ = nghttp2_session_mem_recv(session, bytes, bytes.count) }
            return socket.isClosed
        }
    }

    /// Hands all that is ready to the socket, as far as it takes it.
    func write() {
        while true {
            while outputOffset < output.count {
                let count = output.withUnsafeBytes {
                    socket.writeSome(UnsafeRawBufferPointer(rebasing: $0[outputOffset...]))
                }
                guard count > 0 else { return }
                outputOffset += count
            }
            output.removeAll(keepingCapacity: true)
            outputOffset = 0
            var bytes: UnsafePointer<UInt8>?
            while output.count < 64 << 10 {
                let count = nghttp2_session_mem_send(session, &bytes)
                guard count > 0 else { break }
                output += UnsafeBufferPointer(start: bytes, count: count)
            }
            if output.isEmpty { return }
        }
    }

    static func percentDecoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// MARK: - What nghttp2 reports

extension HTTP2Client {
    fileprivate func receivedField(_ id: Int32, _ name: String, _ value: String) {
        answers[id]?.fields[name] = value
    }

    fileprivate func receivedFrame(_ frame: nghttp2_frame) {
        switch UInt32(frame.hd.type) {
        case NGHTTP2_HEADERS.rawValue: answers[frame.hd.stream_id]?.headerFrames += 1
        case NGHTTP2_GOAWAY.rawValue: goAways += 1
        case NGHTTP2_PING.rawValue where frame.hd.flags & 1 == 0: pings += 1
        default: break
        }
    }

    fileprivate func receivedData(_ id: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        answers[id]?.body += bytes
    }

    fileprivate func closed(_ id: Int32, _ code: UInt32) {
        answers[id]?.isClosed = true
        answers[id]?.errorCode = code
        uploads[id] = nil
    }

    fileprivate func upload(
        _ id: Int32, into buffer: UnsafeMutableRawBufferPointer, isEnd: inout Bool
    ) -> Int? {
        guard var upload = uploads[id] else { return nil }
        defer { uploads[id] = upload }
        let count = min(buffer.count, upload.bytes.count - upload.offset)
        if count == 0, !upload.isEnded {
            upload.isDeferred = true
            return nil
        }
        upload.bytes.withUnsafeBytes {
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: $0[upload.offset...].prefix(count)))
        }
        upload.offset += count
        isEnd = upload.isEnded && upload.offset == upload.bytes.count
        return count
    }
}

private func client(_ user: UnsafeMutableRawPointer?) -> HTTP2Client? {
    user.map { Unmanaged<HTTP2Client>.fromOpaque($0).takeUnretainedValue() }
}

private let readUpload: nghttp2_data_source_read_callback = {
    _, id, buffer, length, flags, _, user in
    var isEnd = false
    let frame = UnsafeMutableRawBufferPointer(start: buffer, count: length)
    guard let count = client(user)?.upload(id, into: frame, isEnd: &isEnd) else {
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    if isEnd { flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
    return count
}

nonisolated(unsafe) private let clientCallbacks: OpaquePointer? = {
    var table: OpaquePointer?
    nghttp2_session_callbacks_new(&table)
    nghttp2_session_callbacks_set_on_header_callback(table) {
        _, frame, name, nameCount, value, valueCount, _, user in
        let name = String(
            decoding: UnsafeBufferPointer(start: name, count: nameCount), as: UTF8.self)
        let value = String(
            decoding: UnsafeBufferPointer(start: value, count: valueCount), as: UTF8.self)
        if let frame { client(user)?.receivedField(frame.pointee.hd.stream_id, name, value) }
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, user in
        if let frame { client(user)?.receivedFrame(frame.pointee) }
        return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) {
        _, _, id, bytes, count, user in
        client(user)?.receivedData(id, UnsafeBufferPointer(start: bytes, count: count))
        return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(table) { _, id, code, user in
        client(user)?.closed(id, code)
        return 0
    }
    return table
}()
