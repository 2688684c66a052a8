#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What the system says of this process. Fields that the system does not tell are nil.
struct ProcessReading: Sendable {
    var cpuSeconds: Double?
    var residentBytes: UInt64?
    var virtualBytes: UInt64?
    var openDescriptors: UInt64?
    var descriptorLimit: UInt64?
    var threads: UInt64?

    init() {
        var usage = rusage()
        if getrusage(Self.ownUsage, &usage) == 0 {
            cpuSeconds = Self.seconds(usage.ru_utime) + Self.seconds(usage.ru_stime)
        }
        var limit = rlimit()
        if getrlimit(Self.descriptors, &limit) == 0 { descriptorLimit = UInt64(limit.rlim_cur) }
        openDescriptors = Self.entries(of: "/proc/self/fd")
        readStat()
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
    }

    #if canImport(Glibc)
    private static let ownUsage = RUSAGE_SELF.rawValue
    private static let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
    private static let ownUsage = RUSAGE_SELF
    private static let descriptors = RLIMIT_NOFILE
    #endif

    /// The fields of `/proc/self/stat`, behind the name, which may hold anything (proc(5)).
    private mutating func readStat() {
        guard let stat = Self.contents(of: "/proc/self/stat"),
            let end = stat.lastIndex(of: ")")
        else { return }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map { UInt64($0) ?? 0 }
        guard fields.count > 21 else { return }
        threads = fields[17]
        virtualBytes = fields[20]
        let pageBytes = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
        residentBytes = fields[21] &* pageBytes
    }

    private static func contents(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4_096)
        while bytes.count < 1 << 20 {
            let count = fread(&part, 1, part.count, file)
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func entries(of path: String) -> UInt64? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var count: UInt64 = 0
        while readdir(directory) != nil { count += 1 }
        // Not "." and "..", nor the descriptor that reads them.
        return count > 3 ? count - 3 : 0
    }
}
