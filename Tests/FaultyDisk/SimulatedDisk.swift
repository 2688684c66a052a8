package import Foundation
import RaftCore
import RaftStorage
import Synchronization

/// A disk in memory, used by one process at a time, that fails or loses its power on demand.
///
/// Every operation that may change it is numbered, from 1.
package final class SimulatedDisk: Disk {
    /// Called in the middle of each operation: its change is made, but not durable. On the thread
    /// that performs it, while the disk is locked.
    package typealias Observer = @Sendable (_ operation: Int, _ image: DiskImage) -> Void

    private struct OpenFile {
        let file: Int
        let path: String
    }

    private struct State {
        var image: DiskImage
        var random: SeededGenerator
        var faults: [Int: DiskFault]
        var readFaults: [Int: Int32] = [:]
        var operations: [DiskOperation] = []
        var reads = 0
        var isOff = false
        let ignoresSyncs: Bool
        var open: [Int32: OpenFile] = [:]
        /// Far from the kernel's own, so that a mix-up fails at once.
        var nextDescriptor: Int32 = 1 << 20
        var kept: [Kept] = []
    }

    /// `@unchecked Sendable`: nothing is ever done with it but to let it go.
    private struct Kept: @unchecked Sendable {
        let object: AnyObject
    }

    private let state: Mutex<State>
    private let observer: Observer?
    private let mount: String

    /// - Parameters:
    ///   - mount: Where processes find this disk; an image holds paths from its root on.
    ///   - faults: What happens instead of the operation with this number.
    ///   - readFaults: The `errno` with which the read with this number fails.
    ///   - ignoresSyncs: The disk lies: a sync succeeds, and makes nothing durable.
    package init(
        _ image: DiskImage, mount: String, faults: [Int: DiskFault] = [:],
        readFaults: [Int: Int32] = [:],
        seed: UInt64 = 0, ignoresSyncs: Bool = false, observer: Observer? = nil
    ) {
        state = Mutex(
            State(
                image: image, random: SeededGenerator(seed: seed), faults: faults,
                readFaults: readFaults, ignoresSyncs: ignoresSyncs))
        self.observer = observer
        self.mount = mount
    }

    private func local(_ path: String) -> String {
        guard path.hasPrefix(mount) else { return path }
        return path.count > mount.count ? String(path.dropFirst(mount.count)) : "/"
    }

    package var image: DiskImage { state.withLock { $0.image } }
    package var operations: [DiskOperation] { state.withLock { $0.operations } }
    package var reads: Int { state.withLock { $0.reads } }

    /// The process is gone: nothing that it left behind reaches the disk any more.
    package func switchOff() {
        let kept = state.withLock { state in
            state.isOff = true
            defer { state.kept = [] }
            return state.kept
        }
        // Released here, outside the lock: a connection's end calls this disk again. Optimised code
        // would release at the last use, which is inside.
        withExtendedLifetime(kept) {}
    }

    // MARK: Operations that change the disk

    /// Performs one operation; `change` runs before the observer, `finish` only if the power lasts.
    private func perform(
        _ operation: DiskOperation, on state: inout State, change: (inout State) -> Void = { _ in },
        fail: (inout State, Bool) -> Void = { _, _ in }, finish: (inout State) -> Void = { _ in }
    ) -> Int32 {
        guard !state.isOff else { return failure(EIO) }
        state.operations.append(operation)
        let number = state.operations.count
        switch state.faults[number] {
        case .error(let code):
            fail(&state, false)
            return failure(code)
        case .halfWayError(let code):
            fail(&state, true)
            return failure(code)
        case .powerOff:
            change(&state)
            observer?(number, state.image)
            state.isOff = true
            return failure(EIO)
        case nil:
            change(&state)
            observer?(number, state.image)
            finish(&state)
            return 0
        }
    }

    private func failure(_ code: Int32) -> Int32 {
        errno = code
        return -1
    }

    package func makeDirectories(_ path: String) throws {
        let path = local(path)
        let result = state.withLock { state in
            perform(
                .makeDirectory(path), on: &state,
                change: { _ = $0.image.create(path, isDirectory: true) })
        }
        guard result == 0 else { throw POSIXError(.EIO) }
    }

    package func open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
        let path = local(path)
        return state.withLock { state in
            guard !state.isOff else { return failure(EIO) }
            if state.image.names[path] == nil {
                guard flags & O_CREAT != 0 else { return failure(ENOENT) }
                let result = perform(
                    .create(path), on: &state,
                    change: { _ = $0.image.create(path, isDirectory: false) })
                guard result == 0 else { return result }
            }
            guard let file = state.image.names[path] else { return failure(ENOENT) }
            state.nextDescriptor += 1
            state.open[state.nextDescriptor] = OpenFile(file: file, path: path)
            return state.nextDescriptor
        }
    }

    package func write(
        _ descriptor: Int32, from buffer: UnsafeRawPointer, count: Int, offset: Int
    ) -> Int {
        let bytes = Array(UnsafeRawBufferPointer(start: buffer, count: count))
        let result = state.withLock { state in
            guard let open = state.open[descriptor] else { return failure(EBADF) }
            return perform(
                .write(open.path, offset: offset, count: count), on: &state,
                change: { $0.image.change(.write(offset: offset, bytes: bytes), of: open.file) },
                fail: { state, isHalfDone in
                    guard isHalfDone else { return }
                    let half = Array(bytes.prefix(count / 2))
                    state.image.change(.write(offset: offset, bytes: half), of: open.file)
                })
        }
        return result == 0 ? count : -1
    }

    package func truncate(_ descriptor: Int32, to size: Int) -> Int32 {
        state.withLock { state in
            guard let open = state.open[descriptor] else { return failure(EBADF) }
            return perform(
                .truncate(open.path, size: size), on: &state,
                change: { $0.image.change(.truncate(size: size), of: open.file) })
        }
    }

    package func synchronize(_ descriptor: Int32) -> Int32 {
        state.withLock { state in
            guard let open = state.open[descriptor] else { return failure(EBADF) }
            return perform(
                .synchronize(open.path), on: &state,
                fail: { state, _ in
                    let survival = Survival.random(using: &state.random)
                    state.image.failSynchronize(
                        open.file, survival: survival, random: &state.random)
                },
                finish: { state in
                    guard !state.ignoresSyncs else { return }
                    state.image.synchronize(open.file, path: open.path)
                })
        }
    }

    package func rename(_ path: String, to newPath: String) -> Int32 {
        let path = local(path)
        let newPath = local(newPath)
        return state.withLock { state in
            guard state.image.names[path] != nil else { return failure(ENOENT) }
            return perform(
                .rename(path, to: newPath), on: &state,
                change: { $0.image.change(.rename(path, to: newPath)) })
        }
    }

    package func unlink(_ path: String) -> Int32 {
        let path = local(path)
        return state.withLock { state in
            guard state.image.names[path] != nil else { return failure(ENOENT) }
            return perform(
                .unlink(path), on: &state, change: { $0.image.change(.unlink(path)) })
        }
    }

    // MARK: What changes nothing

    package func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawPointer, count: Int, offset: Int
    ) -> Int {
        state.withLock { state in
            guard !state.isOff else { return Int(failure(EIO)) }
            guard let open = state.open[descriptor] else { return Int(failure(EBADF)) }
            state.reads += 1
            if let code = state.readFaults[state.reads] { return Int(failure(code)) }
            return state.image.files[open.file].content.withUnsafeBytes { content in
                let end = min(offset + count, content.count)
                guard offset < end else { return 0 }
                buffer.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: content[offset..<end]).baseAddress
                        ?? UnsafeRawPointer(buffer), byteCount: end - offset)
                return end - offset
            }
        }
    }

    package func size(_ descriptor: Int32) -> Int {
        state.withLock { state in
            guard let open = state.open[descriptor] else { return Int(failure(EBADF)) }
            return state.image.files[open.file].content.count
        }
    }

    package func status(of path: String, followsLinks: Bool, _ status: inout stat) -> Int32 {
        let found = state.withLock { state in
            state.image.names[local(path)].map { state.image.files[$0] }
        }
        guard let found else { return failure(ENOENT) }
        status.st_mode = found.isDirectory ? S_IFDIR | 0o700 : S_IFREG | 0o600
        status.st_uid = geteuid()
        status.st_size = off_t(found.content.count)
        return 0
    }

    package func access(_ path: String, _ mode: Int32) -> Int32 {
        let isThere = state.withLock { $0.image.names[local(path)] != nil }
        return isThere ? 0 : failure(ENOENT)
    }

    package func isReadOnly(_ path: String, _ answer: inout Bool) -> Int32 {
        answer = false
        return access(path, F_OK)
    }

    package func changeMode(of path: String, to mode: mode_t) -> Int32 { access(path, F_OK) }
    package func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 { 0 }
    package func close(_ descriptor: Int32) { state.withLock { $0.open[descriptor] = nil } }

    package func keepUntilExit(_ object: AnyObject) {
        let kept = Kept(object: object)
        state.withLock { $0.kept.append(kept) }
    }
}
