import FaultyDisk
import RaftCore
import RaftStorage

/// What is found after a cut, against what was promised before it.
struct Verdict {
    /// Nil if all is well.
    let complaint: String?
    let survivors: DiskImage
    /// The opening after the cut.
    let opening: Life.Result

    /// Cuts the power, opens the storage on what survived, and closes it again.
    ///
    /// - Parameter sample: How many cuts during that opening and closing to keep.
    init(
        after cut: Cut, states: [PersistentState], survival: Survival, seed: UInt64,
        sample: Int = 0
    ) {
        var random = SeededGenerator(seed: seed)
        survivors = cut.image.survivors(of: survival, random: &random)
        opening = Life.run(
            on: survivors, hasOpened: cut.hasOpened, seed: seed, sample: sample)
        complaint = Self.complaint(
            about: opening, promised: states, from: cut.acknowledged, through: cut.queued)
    }

    /// The state found must be the one after some step from the last that was acknowledged to the
    /// last that was queued. A power cut alone never makes an opening refuse.
    static func complaint(
        about opening: Life.Result, promised states: [PersistentState], from acknowledged: Int,
        through queued: Int
    ) -> String? {
        if let refusal = opening.refusal { return "refused: \(refusal)" }
        guard let found = opening.states.first else { return "nothing was found" }
        // Where no opening ever succeeded there is no step: the state is the empty one.
        let allowed = states.isEmpty ? [PersistentState()] : states[acknowledged...queued]
        guard allowed.contains(found) else {
            let place = states.firstIndex(of: found).map { "that after step \($0)" } ?? "of no step"
            return "the state is \(place), but \(acknowledged)...\(queued) were promised"
        }
        return nil
    }
}

/// The lines that a person needs to see a failure again.
struct Story: CustomStringConvertible {
    let reproduction: String
    let complaint: String
    let operations: [DiskOperation]
    let cut: Int

    var description: String {
        var lines = ["\(complaint)", "Again: \(reproduction)"]
        for (offset, operation) in operations.enumerated() {
            lines.append("\(offset + 1 == cut ? "✂" : " ") \(offset + 1) \(operation)")
        }
        return lines.joined(separator: "\n")
    }
}
