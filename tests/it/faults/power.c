// Stands before fsync and fdatasync of a process, and keeps what they have promised: at each sync of a file its content, at
// each sync of a directory its names. Nothing else survives a power cut for sure, whatever code wrote it.
//
// POWER_DATA       the directory that it watches
// POWER_PROMISED   where the promises are kept: f/<id> is a file's content, d/<id> the names in a directory
// POWER_FAIL_AT    the n-th sync fails with EIO, as a dying disk says it: once
// POWER_KILL_AT    the process is killed before the n-th sync
//
// An id is an inode number and its birth: the number alone is used again for other files.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, NAME_BYTES = 96 };

static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;
static const char *data, *promised;
static long fail_at, kill_at, syncs;

static void give_up(const char *what) {
    fprintf(stderr, "power shim: %s: %s\n", what, strerror(errno));
    _exit(70);
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    data = getenv("POWER_DATA");
    promised = getenv("POWER_PROMISED");
    fail_at = number("POWER_FAIL_AT");
    kill_at = number("POWER_KILL_AT");
}

static void identity(int at, const char *path, int flags, char *out) {
    struct statx found;
    if (statx(at, path, flags, STATX_INO | STATX_BTIME, &found)) give_up("statx");
    if (!(found.stx_mask & STATX_BTIME)) give_up("the file system keeps no time of birth");
    snprintf(out, NAME_BYTES, "%llu-%lld.%09u", (unsigned long long)found.stx_ino,
             (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
}

// The content as it is now; a file that was opened only for writing is read through /proc.
static void copy_content(int fd, int to) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) give_up("open of a synced file");
    ssize_t copied;
    while ((copied = sendfile(to, from, NULL, 1 << 20)) > 0) {}
    if (copied < 0) give_up("copy of a synced file");
    close(from);
}

static void copy_names(int fd, int to) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    DIR *dir = opendir(path);
    if (!dir) give_up("open of a synced directory");
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        struct stat found;
        char id[NAME_BYTES], line[PATH_BYTES];
        // Another thread may have removed it meanwhile: then its name was not to be promised.
        if (fstatat(dirfd(dir), entry->d_name, &found, AT_SYMLINK_NOFOLLOW)) continue;
        identity(dirfd(dir), entry->d_name, AT_SYMLINK_NOFOLLOW, id);
        int bytes = snprintf(line, sizeof line, "%c %s %s\n", S_ISDIR(found.st_mode) ? 'd' : 'f', id,
                             entry->d_name);
        if (write(to, line, bytes) != bytes) give_up("write of a name");
    }
    closedir(dir);
}

// What is there before the sync begins is what it promises; what comes during the sync is not promised yet.
static void keep(int fd) {
    struct stat found;
    char id[NAME_BYTES], fresh[PATH_BYTES], kept[PATH_BYTES];
    if (fstat(fd, &found)) give_up("fstat");
    identity(fd, "", AT_EMPTY_PATH, id);
    char kind = S_ISDIR(found.st_mode) ? 'd' : 'f';
    snprintf(fresh, sizeof fresh, "%s/fresh", promised);
    snprintf(kept, sizeof kept, "%s/%c/%s", promised, kind, id);
    int to = open(fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (to < 0) give_up("open of a promise");
    if (kind == 'd') copy_names(fd, to);
    else copy_content(fd, to);
    close(to);
    if (rename(fresh, kept)) give_up("rename of a promise");
}

static int watched(int fd) {
    char link[64], path[PATH_BYTES];
    if (!data) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    if (bytes <= 0) return 0;
    path[bytes] = 0;
    size_t length = strlen(data);
    return !strncmp(path, data, length) && (path[length] == '/' || !path[length]);
}

// sled's own thread syncs now and then, and only logs what comes of it: nothing hangs on that, so it is never the n-th.
static int is_counted(void) {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return strcmp(name, "log flusher") != 0;
}

static int synced(int fd, const char *name) {
    if (!watched(fd)) return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    pthread_mutex_lock(&alone);
    int counted = is_counted();
    syncs += counted;
    if (counted && syncs == kill_at) kill(getpid(), SIGKILL);
    int fails = counted && syncs == fail_at;
    if (fails) dprintf(2, "power shim: sync %ld fails\n", syncs);
    // The promise takes the place of the real sync: that would change nothing here but the time it takes.
    if (!fails && promised) keep(fd);
    pthread_mutex_unlock(&alone);
    if (fails) errno = EIO;
    return fails ? -1 : 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }
