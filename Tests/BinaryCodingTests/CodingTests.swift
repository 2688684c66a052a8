import BinaryCoding
import Testing

/// One value of every kind the dialect has.
private struct Sample: Equatable {
    var small: UInt8 = 0x12
    var medium: UInt16 = 0x3456
    var wide: UInt32 = 0x789A_BCDE
    var widest: UInt64 = 0x0102_0304_0506_0708
    var signed: Int64 = -2
    var flag = true
    var blob: [UInt8] = [0xAA, 0xBB]
    var text = "hä"
    var numbers: [UInt16] = [1, 2]

    var encoded: [UInt8] {
        var writer = ByteWriter(reservingCapacity: 64)
        writer.write(small)
        writer.write(medium)
        writer.write(wide)
        writer.write(widest)
        writer.write(signed)
        writer.write(flag)
        writer.writeBlob(blob)
        writer.write(text)
        writer.write(UInt32(numbers.count))
        for number in numbers { writer.write(number) }
        return writer.bytes
    }

    static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> Sample {
        var sample = Sample()
        sample.small = try reader.read(UInt8.self, "small")
        sample.medium = try reader.read(UInt16.self, "medium")
        sample.wide = try reader.read(UInt32.self, "wide")
        sample.widest = try reader.read(UInt64.self, "widest")
        sample.signed = try reader.read(Int64.self, "signed")
        sample.flag = try reader.readBool("flag")
        sample.blob = try reader.readBlob("blob", limit: 10)
        sample.text = try reader.readString("text", limit: 10)
        let count = try reader.readCount("numbers", minimumBytesEach: 2)
        sample.numbers = []
        for _ in 0..<count { sample.numbers.append(try reader.read(UInt16.self, "number")) }
        return sample
    }

    static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> Sample {
        try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
            try decode(&reader)
        }
    }
}

@Suite("The byte dialect of disk, wire and snapshot")
struct CodingTests {
    @Test("the bytes of every kind of field are these, for ever")
    func goldenBytes() {
        #expect(
            Sample().encoded == [
                0x12,
                0x34, 0x56,
                0x78, 0x9A, 0xBC, 0xDE,
                0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE,
                0x01,
                0x00, 0x00, 0x00, 0x02, 0xAA, 0xBB,
                0x00, 0x00, 0x00, 0x03, 0x68, 0xC3, 0xA4,
                0x00, 0x00, 0x00, 0x02, 0x00, 0x01, 0x00, 0x02,
            ])
    }

    @Test("what was written is read")
    func roundTrip() throws {
        let bytes = Sample().encoded
        #expect(try Sample.decode(bytes) == Sample())
        let slice = ([9, 9] + bytes + [9])[2..<bytes.count + 2]
        let read = try ByteReader.withReader(over: slice) { (reader) throws(DecodingFailure) in
            try Sample.decode(&reader)
        }
        #expect(read == Sample())
    }

    @Test("bytes cut off anywhere are refused as truncated, never read past")
    func truncatedEverywhere() throws {
        let bytes = Sample().encoded
        for length in 0..<bytes.count {
            let error = #expect(throws: DecodingFailure.self) {
                try Sample.decode(Array(bytes[..<length]))
            }
            guard case .truncated(_, let needed, let available) = error else {
                Issue.record("cut at \(length): \(String(describing: error))")
                continue
            }
            #expect(needed > available)
        }
    }

    @Test("bytes after the last field are refused")
    func trailingBytes() {
        #expect(throws: DecodingFailure.trailingBytes(count: 2)) {
            try Sample.decode(Sample().encoded + [0, 0])
        }
    }

    @Test("any byte may be anything without a trap")
    func flippedBytes() {
        let bytes = Sample().encoded
        for position in bytes.indices {
            for value in [UInt8(0), 1, 0x7F, 0x80, 0xFF] {
                var damaged = bytes
                damaged[position] = value
                _ = try? Sample.decode(damaged)
            }
        }
    }

    @Test("a Boolean is 0 or 1")
    func booleans() {
        #expect(throws: DecodingFailure.invalid(field: "flag", reason: "2 is neither 0 nor 1")) {
            try ByteReader.withReader(over: [UInt8(2)]) { (reader) throws(DecodingFailure) in
                try reader.readBool("flag")
            }
        }
    }

    @Test("a length over its limit is refused before anything is allocated (N11)")
    func lengthLimit() {
        let bytes: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
        let expected = DecodingFailure.tooLong(field: "blob", length: 0xFFFF_FFFF, limit: 1_000)
        #expect(throws: expected) {
            try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
                try reader.readBlob("blob", limit: 1_000)
            }
        }
        #expect(
            throws: DecodingFailure.truncated(field: "blob", needed: 0xFFFF_FFFF, available: 0)
        ) {
            try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
                try reader.readBlob("blob", limit: .max)
            }
        }
    }

    @Test("a count that the bytes cannot hold is refused, even where the product overflows")
    func countLimit() {
        let bytes: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0]
        for each in [1, 8, Int.max] {
            #expect(throws: DecodingFailure.self) {
                try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
                    try reader.readCount("items", minimumBytesEach: each)
                }
            }
        }
        #expect(throws: DecodingFailure.tooLong(field: "items", length: 5, limit: 4)) {
            try ByteReader.withReader(over: [0, 0, 0, 5, 1, 1, 1, 1, 1] as [UInt8]) {
                (reader) throws(DecodingFailure) in
                try reader.readCount("items", minimumBytesEach: 1, limit: 4)
            }
        }
    }

    @Test(
        "text that is not UTF-8 is refused",
        arguments: [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80]] as [[UInt8]])
    func brokenText(bytes: [UInt8]) {
        var writer = ByteWriter()
        writer.writeBlob(bytes)
        #expect(
            throws: DecodingFailure.invalid(field: "name", reason: "the bytes are not UTF-8")
        ) {
            try ByteReader.withReader(over: writer.bytes) { (reader) throws(DecodingFailure) in
                try reader.readString("name", limit: 100)
            }
        }
    }

    @Test("raw reads refuse negative counts and more than there is")
    func rawReads() {
        for count in [-1, 3, Int.max, Int.min] {
            #expect(throws: DecodingFailure.self) {
                try ByteReader.withReader(over: [1, 2] as [UInt8]) {
                    (reader) throws(DecodingFailure) in
                    _ = try reader.readRaw(count: count, "raw")
                }
            }
        }
    }

    @Test("a length known only at the end is filled in later")
    func overwrite() {
        var writer = ByteWriter()
        writer.write(UInt32(0))
        writer.writeRaw([7, 8, 9])
        writer.overwrite(at: 0, with: UInt32(writer.count - 4))
        #expect(writer.bytes == [0, 0, 0, 3, 7, 8, 9])
    }

    @Test("failures say which field is wrong, and how")
    func descriptions() {
        let texts = [
            DecodingFailure.truncated(field: "term", needed: 8, available: 3),
            .tooLong(field: "payload", length: 9, limit: 5),
            .invalid(field: "kind", reason: "77 is not a kind"),
            .trailingBytes(count: 2),
            .checksumMismatch(field: "row", stored: 255, computed: 16),
        ].map(\.description)
        #expect(
            texts == [
                "term: needs 8 bytes, only 3 are left",
                "payload: length 9 is over the limit of 5",
                "kind: 77 is not a kind",
                "2 unexpected bytes after the last field",
                "row: checksum 0xff is stored, 0x10 was computed",
            ])
    }
}
