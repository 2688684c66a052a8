package import RaftCore

/// Directories and files in memory: what processes see, what is durable, and what lies in between.
///
/// A value: a copy is what a power cut at this moment would find.
package struct DiskImage: Sendable {
    /// A change of a file that no sync has made durable.
    enum Change: Sendable {
        case write(offset: Int, bytes: [UInt8])
        case truncate(size: Int)
    }

    struct File: Sendable {
        let isDirectory: Bool
        /// What a process reads: the durable bytes with every change in order.
        var content: [UInt8] = []
        var durable: [UInt8] = []
        var unsynced: [Change] = []
    }

    /// A change of a directory that no sync of it has made durable. A rename is never half done.
    enum NameChange: Sendable {
        case bind(String, file: Int)
        case rename(String, to: String)
        case unlink(String)

        var parent: String {
            switch self {
            case .bind(let path, _), .rename(let path, _), .unlink(let path):
                DiskImage.parent(of: path)
            }
        }

        func apply(to names: inout [String: Int]) {
            switch self {
            case .bind(let path, let file): names[path] = file
            case .rename(let path, let newPath):
                if let file = names.removeValue(forKey: path) { names[newPath] = file }
            case .unlink(let path): names[path] = nil
            }
        }
    }

    private(set) var files: [File] = []
    private(set) var names: [String: Int] = [:]
    private var durableNames: [String: Int] = [:]
    private var unsyncedNames: [NameChange] = []

    /// An empty disk: its root directory, which is always there.
    package init() {
        files = [File(isDirectory: true)]
        names = ["/": 0]
        durableNames = names
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    // MARK: What processes do

    mutating func create(_ path: String, isDirectory: Bool) -> Int {
        files.append(File(isDirectory: isDirectory))
        change(.bind(path, file: files.count - 1))
        return files.count - 1
    }

    mutating func change(_ change: NameChange) {
        change.apply(to: &names)
        unsyncedNames.append(change)
    }

    mutating func change(_ change: Change, of file: Int) {
        Self.apply(change, to: &files[file].content)
        files[file].unsynced.append(change)
    }

    /// fsync: of a directory, its names; of a file, its bytes but not its name.
    mutating func synchronize(_ file: Int, path: String) {
        guard files[file].isDirectory else {
            // What an earlier failed sync lost stays lost, although processes read it: its pages
            // count as clean (D2).
            for change in files[file].unsynced { Self.apply(change, to: &files[file].durable) }
            files[file].unsynced = []
            return
        }
        for change in unsyncedNames where change.parent == path {
            change.apply(to: &durableNames)
        }
        unsyncedNames.removeAll { $0.parent == path }
    }

    /// A failed fsync as Linux has it: some changes became durable, the others never will, and
    /// processes go on reading all of them.
    mutating func failSynchronize(
        _ file: Int, survival: Survival, random: inout SeededGenerator
    ) {
        guard !files[file].isDirectory else { return }
        files[file].durable = survival.content(of: files[file], random: &random)
        files[file].unsynced = []
    }

    // MARK: What faults do

    /// What is found after a power cut.
    package func survivors(
        of survival: Survival, random: inout SeededGenerator
    ) -> DiskImage {
        var image = self
        for file in files.indices where !files[file].isDirectory {
            let content = survival.content(of: files[file], random: &random)
            image.files[file].content = content
            image.files[file].durable = content
            image.files[file].unsynced = []
        }
        image.names = durableNames
        for change in survival.chosen(from: unsyncedNames, random: &random) {
            change.apply(to: &image.names)
        }
        image.dropOrphans()
        image.durableNames = image.names
        image.unsyncedNames = []
        return image
    }

    /// Names below a directory that did not survive are gone with it.
    private mutating func dropOrphans() {
        let all = names
        func stands(_ path: String) -> Bool {
            guard let file = all[path] else { return false }
            return file == 0 || stands(Self.parent(of: path))
        }
        names = names.filter { stands($0.key) }
    }

    /// The size of a file in bytes; nil where there is none.
    package func size(of path: String) -> Int? {
        names[path].map { files[$0].content.count }
    }

    /// Turns one bit of a durable file over.
    package mutating func flip(_ path: String, byte: Int, mask: UInt8) {
        guard let file = names[path], files[file].content.indices.contains(byte) else { return }
        files[file].content[byte] ^= mask
        files[file].durable = files[file].content
    }

    /// The bytes of a file as processes see them.
    package func content(of path: String) -> [UInt8]? { names[path].map { files[$0].content } }

    static func apply(_ change: Change, to content: inout [UInt8]) {
        switch change {
        case .truncate(let size):
            if size < content.count {
                content.removeLast(content.count - size)
            } else {
                content.append(contentsOf: repeatElement(0, count: size - content.count))
            }
        case .write(let offset, let bytes):
            let end = offset + bytes.count
            if end > content.count {
                content.append(contentsOf: repeatElement(0, count: end - content.count))
            }
            content.withUnsafeMutableBytes { target in
                bytes.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: target[offset..<end])
                        .copyMemory(from: source)
                }
            }
        }
    }
}
