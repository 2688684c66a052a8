import BinaryCoding
import Foundation

/// The number of the newest acknowledged transaction, in a file beside the database.
///
/// SQLite silently drops the tail of its write-ahead log from the first damaged frame on: right for
/// a torn write that nobody was told of, wrong for damage to acknowledged frames (D8, D10). The
/// mark is written after each commit and before its acknowledgement, without an fsync of its own.
/// So it may lag behind the database after a power cut, but it never runs ahead of what was
/// durable: a database that ends before its mark has lost something.
struct Watermark: Sendable {
    /// Changed at each bootstrap, so that files of two databases are not mixed up.
    let dataID: [UInt8]
    private let file: PrivateFile

    static let dataIDBytes = 16
    private static let magic: [UInt8] = Array("latchdWM".utf8)
    private static let totalBytes = 8 + dataIDBytes + 8 + 4

    /// Writes the mark of a new, still empty database: transaction 0. The file appears whole or not
    /// at all, so that an interrupted bootstrap can be repeated.
    static func create(
        in directory: DataDirectory, dataID: [UInt8]
    ) throws(StorageFailure) -> Watermark {
        let draft = directory.watermark + ".new"
        let file = try PrivateFile(path: draft, create: true, calls: directory.calls)
        let watermark = Watermark(dataID: dataID, file: file)
        try file.truncate(to: totalBytes)
        try watermark.record(0)
        try watermark.synchronize()
        guard directory.calls.rename(draft, to: directory.watermark) == 0 else {
            throw .posix(errno, at: draft)
        }
        try directory.synchronize()
        return watermark
    }

    /// Reads the mark; nil if there is no file.
    static func open(
        in directory: DataDirectory
    ) throws(StorageFailure) -> (watermark: Watermark, sequence: UInt64)? {
        let path = directory.watermark
        guard try directory.sizeOfPrivateFile(at: path) != nil else { return nil }
        let file = try PrivateFile(path: path, create: false, calls: directory.calls)
        let bytes = try file.read(limit: totalBytes + 1)
        do {
            let (dataID, sequence) = try decode(bytes)
            return (Watermark(dataID: dataID, file: file), sequence)
        } catch {
            throw .watermarkDamaged(path: path, reason: error.description)
        }
    }

    /// D14: a database is never created where something was acknowledged.
    static func requireNothingAcknowledged(
        _ sequence: UInt64?, in directory: DataDirectory
    ) throws(StorageFailure) {
        guard let sequence, sequence > 0 else { return }
        throw .databaseVanished(path: directory.database, sequence: sequence)
    }

    /// Records that everything up to this transaction is durable.
    func record(_ sequence: UInt64) throws(StorageFailure) {
        var writer = ByteWriter(reservingCapacity: Self.totalBytes)
        writer.writeRaw(Self.magic)
        writer.writeRaw(dataID)
        writer.write(sequence)
        writer.write(CRC32C.checksum(writer.bytes))
        try file.write(writer.bytes)
    }

    /// Makes the mark durable.
    func synchronize() throws(StorageFailure) {
        try file.synchronize()
    }

    private static func decode(
        _ bytes: [UInt8]
    ) throws(DecodingFailure) -> (dataID: [UInt8], sequence: UInt64) {
        try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
            let magic = [UInt8](try reader.readRaw(count: Self.magic.count, "magic"))
            guard magic == Self.magic else {
                throw .invalid(field: "magic", reason: "this is not a watermark of latchd")
            }
            let dataID = [UInt8](try reader.readRaw(count: dataIDBytes, "data id"))
            let sequence = try reader.read(UInt64.self, "sequence")
            let stored = try reader.read(UInt32.self, "checksum")
            let computed = CRC32C.checksum(Array(bytes.prefix(totalBytes - 4)))
            guard stored == computed else {
                throw .checksumMismatch(field: "watermark", stored: stored, computed: computed)
            }
            return (dataID, sequence)
        }
    }
}
