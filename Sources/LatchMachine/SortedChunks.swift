/// A sorted collection without duplicates, kept in chunks of bounded size.
///
/// Finding, inserting and removing cost a binary search and the move of one small chunk. A copy
/// shares all chunks: the first change afterwards copies the list of chunks and one chunk, never
/// all elements. So a snapshot image may hold one, and the order never comes from hashing.
struct SortedChunks<Element: Comparable & Sendable>: Sendable, Sequence {
    /// A chunk is split when it would grow past this.
    private static var capacity: Int { 256 }

    /// Invariant: no chunk is empty; elements ascend strictly within and across chunks.
    private var chunks: [[Element]] = []
    private(set) var count = 0

    init() {}

    /// Takes elements that already ascend strictly.
    init(ascending elements: [Element]) {
        var start = 0
        while start < elements.count {
            let end = Swift.min(start + Self.capacity / 2, elements.count)
            chunks.append(Array(elements[start..<end]))
            start = end
        }
        count = elements.count
    }

    var isEmpty: Bool { count == 0 }
    var first: Element? { chunks.first?.first }

    /// Inserts an element; returns false if an equal one was there already.
    @discardableResult
    mutating func insert(_ element: Element) -> Bool {
        guard let last = chunks.last?.last else {
            chunks.append([element])
            count = 1
            return true
        }
        if last < element { return append(element) }
        let place = position(of: element)
        // `last ≥ element`, so the position is inside some chunk.
        guard chunks[place.chunk][place.offset] != element else { return false }
        chunks[place.chunk].insert(element, at: place.offset)
        count += 1
        splitIfFull(place.chunk)
        return true
    }

    /// Removes an element; returns false if there was none equal to it.
    @discardableResult
    mutating func remove(_ element: Element) -> Bool {
        let place = position(of: element)
        guard place.chunk < chunks.count, chunks[place.chunk][place.offset] == element else {
            return false
        }
        chunks[place.chunk].remove(at: place.offset)
        count -= 1
        mergeIfSmall(place.chunk)
        return true
    }

    /// Whether an equal element is here. A search, unlike the walk of other sequences.
    func contains(_ element: Element) -> Bool {
        let place = position(of: element)
        return place.chunk < chunks.count && chunks[place.chunk][place.offset] == element
    }

    /// Ascending.
    func makeIterator() -> Iterator {
        Iterator(chunks: chunks, place: Position(chunk: 0, offset: 0))
    }

    /// The elements from the first one that is not less than `element`, ascending.
    func from(_ element: Element) -> Iterator {
        Iterator(chunks: chunks, place: position(of: element))
    }

    struct Iterator: IteratorProtocol {
        fileprivate let chunks: [[Element]]
        fileprivate var place: Position

        mutating func next() -> Element? {
            guard place.chunk < chunks.count else { return nil }
            let element = chunks[place.chunk][place.offset]
            place.offset += 1
            if place.offset == chunks[place.chunk].count {
                place = Position(chunk: place.chunk + 1, offset: 0)
            }
            return element
        }
    }

    fileprivate struct Position {
        var chunk: Int
        var offset: Int
    }

    /// Where the first element not less than `element` is; past the last chunk if there is none.
    private func position(of element: Element) -> Position {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if let last = chunks[middle].last, last < element {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < chunks.count else { return Position(chunk: low, offset: 0) }
        let chunk = low
        low = 0
        high = chunks[chunk].count
        while low < high {
            let middle = (low + high) / 2
            if chunks[chunk][middle] < element { low = middle + 1 } else { high = middle }
        }
        return Position(chunk: chunk, offset: low)
    }

    /// Rising keys are the common case: chunks filled in order stay full instead of being halved.
    private mutating func append(_ element: Element) -> Bool {
        if chunks[chunks.count - 1].count < Self.capacity {
            chunks[chunks.count - 1].append(element)
        } else {
            chunks.append([element])
        }
        count += 1
        return true
    }

    private mutating func splitIfFull(_ index: Int) {
        guard chunks[index].count > Self.capacity else { return }
        let half = chunks[index].count / 2
        let upper = Array(chunks[index][half...])
        chunks[index].removeSubrange(half...)
        chunks.insert(upper, at: index + 1)
    }

    private mutating func mergeIfSmall(_ index: Int) {
        if chunks[index].isEmpty {
            chunks.remove(at: index)
        } else if index + 1 < chunks.count,
            chunks[index].count + chunks[index + 1].count <= Self.capacity / 2
        {
            chunks[index] += chunks.remove(at: index + 1)
        }
    }
}
