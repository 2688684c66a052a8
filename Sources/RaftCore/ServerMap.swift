/// A map from servers to values, held as one array in ascending order of ``ServerID``.
///
/// Clusters have at most seven servers, so a linear search beats hashing, and the order of
/// iteration is the same on every run (no hash order ever becomes observable).
package struct ServerMap<Value: Sendable>: Sendable {
    /// Invariant: ascending by `id`, without duplicates.
    private(set) var elements: [(id: ServerID, value: Value)] = []

    package init() {}

    /// The same `value` for each of `ids`.
    package init(ids: [ServerID], value: Value) {
        elements = ids.sorted().map { (id: $0, value: value) }
    }

    /// The number of servers in the map.
    package var count: Int { elements.count }

    /// The positions, for walking the map while changing its values in place.
    package var indices: Range<Int> { 0..<elements.count }

    /// Where `id` stands, if it is in the map.
    package func position(of id: ServerID) -> Int? {
        elements.firstIndex { $0.id == id }
    }

    /// The server at `position`.
    package func id(at position: Int) -> ServerID { elements[position].id }

    /// The value at `position`, changed in place.
    package subscript(position: Int) -> Value {
        _read { yield elements[position].value }
        _modify { yield &elements[position].value }
    }

    /// The value of `id`.
    package subscript(id: ServerID) -> Value? {
        position(of: id).map { elements[$0].value }
    }
}
