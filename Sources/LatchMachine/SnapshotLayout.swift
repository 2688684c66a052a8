/// The layout of a snapshot, version 2. Integers are big-endian; `text` is a 32-bit count and UTF-8
/// bytes; `[…]` is a 32-bit count and that many elements.
///
///     magic "LATCHSNP", version u16, incarnation u16, lastApplied u64
///     log time, grace start, grace: u64 each (milliseconds); rolling digest u64
///     [primitive]                      ascending by (namespace, name)
///     CRC-32C u32 over all bytes before it
///
///     primitive   namespace text, name text
///                 term u64, token u64, [participant: name, session u64], value name
///                 newest event number u64, [event: index u64, latch]
///                 idle since u64, believed until u64, [term record]      oldest first
///                 [session]            ascending by id
///     latch       term u64, token u64, [name], value name    the holder is the first name
///     term record term, token u64, holder name, session u64, began edge, has ended bool,
///                 ended edge (if it has), gap, overlap bound, chain u64
///     edge        cause u8, index, Raft term, log time, wall time u64
///     session     id, timeout, deadline, last request id, acknowledged request id: u64 each
///                 [answer: request id u64, content, result]
///                 [held: request id u64, content]
///                 [stream: id, open index, base event u64, initial bool, acknowledged u64]
///                 [void: first u64, last u64]
///     content     0, name (join) | 1, index u64 (Events) | 2, name (leave)
///                 3, token u64, name (hand over) | 4, token u64, name (publish: the value)
///     result      0, index u64, latch | 1, rejection
///     rejection   0 unknown session | 1 acknowledged | 2 gap | 3 mismatch | 4, text (limit)
///                 6 token moved | 7 no such participant
///     name        u32 number of a text met before in this primitive, counted from 0;
///                 the next unused number is followed by the text itself; a value is one too
///
/// Order and numbering follow from the content, so equal states have equal bytes. Names repeat in
/// every event and answer, hence their numbers: a latch's history costs little more than the latch.
enum SnapshotLayout {
    static let magic: [UInt8] = Array("LATCHSNP".utf8)
    static let version: UInt16 = 2
    /// As version 2 without values and ledgers. Read, not written any more.
    static let versionWithoutLedgers: UInt16 = 1
}

/// Numbers the texts of one primitive in order of appearance.
struct NameNumbers {
    private var numbers: [ExactText: UInt32] = [:]

    /// The text's number, and whether this is its first appearance.
    mutating func number(of text: String) -> (number: UInt32, isNew: Bool) {
        let key = ExactText(text)
        if let number = numbers[key] { return (number, false) }
        let number = UInt32(numbers.count)
        numbers[key] = number
        return (number, true)
    }
}
