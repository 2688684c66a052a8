/// The candidate that was most probably meant by a misspelled word, if one is near enough.
///
/// Near is: at most a third of the longer word's letters differ, and at least one is right.
func suggestion(for word: String, among candidates: [String]) -> String? {
    // Comparing two very long words takes long, and no key of ours is long.
    guard word.unicodeScalars.count <= 64 else { return nil }
    let folded = word.lowercased().map { $0 == "-" || $0 == " " ? "_" : $0 }
    let nearest =
        candidates
        .map { (candidate: $0, distance: editDistance(folded, Array($0.lowercased()))) }
        .min { $0.distance < $1.distance }
    guard let nearest else { return nil }
    let longer = max(folded.count, nearest.candidate.count)
    return nearest.distance <= max(1, longer / 3) && nearest.distance < longer
        ? nearest.candidate : nil
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other
/// (optimal string alignment).
func editDistance(_ source: [Character], _ target: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...target.count)
    for (row, letter) in source.enumerated() {
        var current = [row + 1]
        for (column, other) in target.enumerated() {
            var best = min(last[column + 1] + 1, current[column] + 1)
            best = min(best, last[column] + (letter == other ? 0 : 1))
            if row > 0, column > 0, letter == target[column - 1], source[row - 1] == other {
                best = min(best, beforeLast[column - 1] + 1)
            }
            current.append(best)
        }
        beforeLast = last
        last = current
    }
    return last[target.count]
}
