#!/usr/bin/env bash
# Makes a bare Debian ready for `make test` and `make lab`; says what it does, and does nothing when all is in place.
#
# Needed: cargo, a C compiler (SQLite and the TLS library are compiled), certificates, Python with venv, OpenSSH, in
# `target/venv` the homeserver, the test client and the bridge that `tools/requirements.txt` names, in `target/receivers`
# the monitoring that posts to the bot, and in `target/irc` the IRC servers and their services: these two are unpacked
# from Debian's packages and not installed, so that no service is started; Alertmanager's templates alone are copied to
# where it looks for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=target/venv
stamp=$venv/beadle-stamp
rust_min=1.95
python_min=3.10

say() { printf 'install: %s\n' "$*"; }
fail() { printf 'install: error: %s\n' "$1" >&2; printf 'hint: %s\n' "$2" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a step and prints its name and seconds in one line; what the step prints is shown only if it fails.
step() {
    local name=$1 started=$SECONDS output
    shift
    if ! output=$("$@" 2>&1); then
        printf '%s\n' "$output" >&2
        fail "$name failed" "the lines above say why; run tools/install.sh again when it is mended"
    fi
    say "$name, $((SECONDS - started)) s"
}

# The Debian packages that are missing, by what they are for.
missing_packages() {
    { have cc && have make; } || echo build-essential
    case $(uname -m) in x86_64 | aarch64) ;; *) have cmake || echo cmake ;; esac # the TLS library has prepared builds for these two
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    have python3 || echo python3
    have openssl || echo openssl # the tests make certificates
    have ssh || echo openssh-client
    have curl || echo curl       # the tests run the examples of the manual
    have openssl || echo openssl # so do they
    [ -x /usr/sbin/sshd ] || have sshd || echo openssh-server # the tests run an action over it
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || echo python3-venv
}

install_packages() {
    local packages root=()
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} -eq 0 ] && return
    local by_hand="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    have apt-get || fail "missing: ${packages[*]} (Debian's names)" "install them with this system's package manager"
    if [ "$(id -u)" -ne 0 ]; then
        { have sudo && sudo -n true 2>/dev/null; } || fail "missing: ${packages[*]}" "as root: $by_hand"
        root=(sudo)
    fi
    step "apt-get update" "${root[@]}" apt-get update -q
    step "apt-get install ${packages[*]}" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${packages[@]}"
    mapfile -t packages < <(missing_packages)
    [ ${#packages[@]} -eq 0 ] || fail "still missing after the installation: ${packages[*]}" "$by_hand"
}

# Unpacks Debian's packages into a folder; their programs need nothing but the C library and what comes with them.
unpack() {
    local folder=$1
    shift
    rm -rf "$folder"
    mkdir -p "$folder"
    (
        cd "$folder"
        # As root apt warns that its own user may not write here, and downloads all the same.
        apt-get download -q "$@"
        for package in *.deb; do dpkg -x "$package" .; done
        rm -- *.deb
    )
}

# Sees to it that a folder has the programs of Debian's packages: folder, programs below its usr/, packages.
install_unpacked() {
    local folder=$1 programs=$2 packages=$3 program all=yes
    for program in $programs; do [ -x "$folder/usr/$program" ] || all=no; done
    [ $all = no ] || return 0
    have apt-get && have dpkg || fail "$packages are unpacked from Debian's packages" "put $programs into $folder/usr by hand"
    # shellcheck disable=SC2086 # several words are meant
    if ! apt-cache show $packages >/dev/null 2>&1; then
        local root=()
        [ "$(id -u)" -eq 0 ] || root=(sudo)
        step "apt-get update" "${root[@]}" apt-get update -q
    fi
    # shellcheck disable=SC2086
    step "unpacking $packages" unpack "$folder" $packages
}

# Debian's Alertmanager looks for its templates in one place alone, wherever the program itself is.
install_templates() {
    local root=() templates=/usr/share/prometheus/alertmanager
    [ -e $templates/default.tmpl ] && return
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    step "copying Alertmanager's templates to $templates" \
        "${root[@]}" install -D -m 644 -t $templates target/receivers$templates/default.tmpl target/receivers$templates/email.tmpl
}

# True if version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

check_rust() {
    # Where rustup puts cargo, for a shell that has not been started anew since.
    have cargo || PATH=$PATH:$HOME/.cargo/bin
    have cargo || fail "cargo is missing" "install Rust $rust_min or newer with rustup; Debian's own may be too old"
    local version
    version=$(cargo --version | cut -d ' ' -f 2)
    at_least "$version" "$rust_min" || fail "cargo is $version, needed is $rust_min or newer" "rustup update"
}

make_venv() {
    rm -rf "$venv"
    mkdir -p target
    python3 -m venv "$venv"
}

install_venv() {
    local wanted
    wanted=$(cat tools/requirements.txt; echo "$PWD/$venv"; python3 --version)
    if [ -x $venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
        say "all in place"
        return
    fi
    local version
    version=$(python3 -c 'import platform; print(platform.python_version())')
    at_least "$version" "$python_min" || fail "python3 is $version, needed is $python_min or newer" "install a newer Python"
    step "python3 -m venv $venv" make_venv
    step "pip install -r tools/requirements.txt (homeserver, test client, bridge)" \
        $venv/bin/python -m pip install --quiet --disable-pip-version-check -r tools/requirements.txt
    step "import of all" $venv/bin/python -c 'import heisenbridge, synapse.app.homeserver, nio, nio.crypto; assert nio.crypto.ENCRYPTION_ENABLED'
    printf '%s' "$wanted" >$stamp
}

install_packages
check_rust
install_unpacked target/receivers "bin/amtool bin/prometheus-alertmanager sbin/nagios4" "prometheus-alertmanager nagios4-core"
install_templates
install_unpacked target/irc "sbin/ngircd sbin/inspircd bin/atheme-services" "ngircd libident inspircd atheme-services"
install_venv
