# shellcheck shell=bash
# Functions for the scripts of all applications: bash reads them before each script.

# eventually 'SCRIPT': tries until it succeeds, five seconds at most, or TRIES times
eventually() {
    local tries
    for ((tries = 0; tries < ${TRIES:-100}; tries++)); do
        eval "$*" && return 0
        sleep 0.05
    done
    return 1
}

# ended PID: waits until the process is gone or a zombie, five seconds at most
ended() { eventually "not_running $1"; }
not_running() {
    local state
    state=$(ps -o state= -p "$1" 2>/dev/null) || return 0
    [[ $state == Z* ]]
}

# listening PORT: something accepts connections on 127.0.0.1
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# certificate NAME: writes NAME.key and NAME.pem for localhost
certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$1.key" -out "$1.pem"
}

# megabytes N FILE: writes a file that does not compress
megabytes() { head -c "$(($1 * 1000000))" /dev/urandom >"$2"; }
