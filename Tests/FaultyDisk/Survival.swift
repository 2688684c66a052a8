package import RaftCore

/// Which changes that no sync made durable are found after a power cut.
package enum Survival: Sendable, CaseIterable {
    case nothing
    case everything
    /// In order, up to some point; the write at that point is torn.
    case beginning
    /// Any of them, in any order, each whole.
    case writes
    /// Any of their 512-byte sectors, in any order.
    case sectors
    /// As `sectors`, and the file may have grown over a lost write: to zeros, or to garbage.
    case garbage

    static let sectorBytes = 512

    package static func random(using random: inout SeededGenerator) -> Survival {
        allCases[random.next(below: allCases.count)]
    }

    /// The bytes of a file after the cut.
    func content(of file: DiskImage.File, random: inout SeededGenerator) -> [UInt8] {
        var content = file.durable
        guard !file.unsynced.isEmpty else { return content }
        switch self {
        case .nothing: break
        case .everything:
            for change in file.unsynced { DiskImage.apply(change, to: &content) }
        case .beginning: applyBeginning(of: file.unsynced, to: &content, random: &random)
        case .writes:
            for change in chosen(from: file.unsynced, random: &random) {
                DiskImage.apply(change, to: &content)
            }
        case .sectors, .garbage:
            if self == .garbage { grow(&content, as: file, random: &random) }
            let sectors = file.unsynced.flatMap(Self.sectors(of:))
            for change in chosen(from: sectors, random: &random) {
                DiskImage.apply(change, to: &content)
            }
        }
        return content
    }

    /// Which of some changes survive, in the order in which they take effect.
    func chosen<Change>(from changes: [Change], random: inout SeededGenerator) -> [Change] {
        switch self {
        case .nothing: return []
        case .everything: return changes
        case .beginning: return Array(changes.prefix(random.next(below: changes.count + 1)))
        case .writes, .sectors, .garbage:
            // A few, half, or most of them.
            let share = [1, 5, 9][random.next(below: 3)]
            var chosen = changes.filter { _ in random.chance(share, in: 10) }
            if random.chance(1, in: 2) { chosen.shuffle(using: &random) }
            return chosen
        }
    }

    private func applyBeginning(
        of changes: [DiskImage.Change], to content: inout [UInt8], random: inout SeededGenerator
    ) {
        let whole = random.next(below: changes.count + 1)
        for change in changes.prefix(whole) { DiskImage.apply(change, to: &content) }
        guard whole < changes.count else { return }
        let sectors = Self.sectors(of: changes[whole])
        for sector in sectors.prefix(random.next(below: sectors.count + 1)) {
            DiskImage.apply(sector, to: &content)
        }
    }

    private func grow(
        _ content: inout [UInt8], as file: DiskImage.File, random: inout SeededGenerator
    ) {
        guard file.content.count > content.count else { return }
        let missing = random.next(below: file.content.count - content.count + 1)
        let isZero = random.chance(1, in: 2)
        content += isZero ? [UInt8](repeating: 0, count: missing) : random.bytes(missing)
    }

    /// A write as the writes of its sectors; a truncation is one piece.
    private static func sectors(of change: DiskImage.Change) -> [DiskImage.Change] {
        guard case .write(let offset, let bytes) = change else { return [change] }
        var pieces: [DiskImage.Change] = []
        var start = 0
        while start < bytes.count {
            let toBorder = sectorBytes - (offset + start) % sectorBytes
            let end = min(start + toBorder, bytes.count)
            pieces.append(.write(offset: offset + start, bytes: Array(bytes[start..<end])))
            start = end
        }
        return pieces
    }
}
