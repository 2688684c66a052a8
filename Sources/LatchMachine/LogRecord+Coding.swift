package import BinaryCoding

extension LogRecord {
    /// The first byte of every record: what follows is laid out as this version says.
    private static let formatVersion: UInt8 = 2
    /// As version 2, without the wall clock's time. Read, not written any more.
    private static let versionWithoutWallTime: UInt8 = 1
    /// Version, origin, number, log time, wall time.
    private static let headerBytes = 27

    /// The record's bytes: version, origin, number, log time and wall time, then the command.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 128)
        Self.writeHeader(
            origin: origin, number: number, logTimeMilliseconds: logTimeMilliseconds,
            wallTimeMilliseconds: wallTimeMilliseconds, to: &writer)
        command.write(to: &writer)
        return writer.bytes
    }

    /// Builds a record around a command that is already encoded, without looking at it. For the
    /// leader's path of forwarded commands: what is no command fails when the entry is applied, on
    /// all servers alike.
    package static func encode(
        origin: UInt16, number: UInt64, logTimeMilliseconds: UInt64, wallTimeMilliseconds: UInt64,
        encodedCommand: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: headerBytes + encodedCommand.count)
        writeHeader(
            origin: origin, number: number, logTimeMilliseconds: logTimeMilliseconds,
            wallTimeMilliseconds: wallTimeMilliseconds, to: &writer)
        writer.writeRaw(encodedCommand)
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote, or
    /// ``encode(origin:number:logTimeMilliseconds:wallTimeMilliseconds:encodedCommand:)``.
    ///
    /// - Throws: If the bytes are anything else.
    package init(decoding bytes: [UInt8]) throws(DecodingFailure) {
        self = try ByteReader.withReader(over: bytes) { reader throws(DecodingFailure) in
            let version = try reader.read(UInt8.self, "record version")
            guard version == LogRecord.formatVersion || version == LogRecord.versionWithoutWallTime
            else {
                throw .invalid(field: "record version", reason: "\(version) is not known here")
            }
            return LogRecord(
                origin: try reader.read(UInt16.self, "origin"),
                number: try reader.readNumber("number"),
                logTimeMilliseconds: try reader.readNumber("log time"),
                wallTimeMilliseconds: version == LogRecord.versionWithoutWallTime
                    ? 0 : try reader.readNumber("wall time"),
                command: try Command(from: &reader))
        }
    }

    private static func writeHeader(
        origin: UInt16, number: UInt64, logTimeMilliseconds: UInt64, wallTimeMilliseconds: UInt64,
        to writer: inout ByteWriter
    ) {
        writer.write(formatVersion)
        writer.write(origin)
        writer.write(number)
        writer.write(logTimeMilliseconds)
        writer.write(wallTimeMilliseconds)
    }
}
