# Completion of gopush for bash. For this shell: source <(gopush completion bash)
# For all: gopush completion bash > ~/.local/share/bash-completion/completions/gopush

# What may stand behind the command $1.
_gopush_at() {
    commands='' flags='' valued='' args=''
    case $1 in
    '')
        commands='serve push listen inbox where explain top token nodes drain migrate snapshot import export moving health bench doctor completion version '
        flags='--help --json '
        valued=' '
        ;;
    'serve')
        flags='--help --json --config --data --store --zookeeper --znode-parent --table --coordination --dev --log-level --log-format --ports-from --set --print-config '
        valued=' --config --data --store --zookeeper --znode-parent --table --coordination --log-level --log-format --ports-from --set '
        ;;
    'push')
        flags='--help --json --ttl --transient --idempotency-key --admin --token-file --data --timeout --ca '
        valued=' --ttl --idempotency-key --admin --token-file --data --timeout --ca '
        ;;
    'listen')
        flags='--help --json --after --count --no-public --web --timeout --ca '
        valued=' --after --count --web --timeout --ca '
        ;;
    'inbox')
        flags='--help --json --after --limit --web --timeout --ca '
        valued=' --after --limit --web --timeout --ca '
        ;;
    'where')
        flags='--help --json --web --timeout --ca '
        valued=' --web --timeout --ca '
        ;;
    'explain')
        flags='--help --json --public --admin --token-file --data --timeout --ca '
        valued=' --admin --token-file --data --timeout --ca '
        ;;
    'top')
        flags='--help --json --interval --once --keys --admin --token-file --data --timeout --ca '
        valued=' --interval --keys --admin --token-file --data --timeout --ca '
        ;;
    'token')
        commands='keygen mint revoke verify '
        flags='--help --json '
        valued=' '
        ;;
    'token keygen')
        flags='--help --json --alg '
        valued=' --alg '
        ;;
    'token mint')
        flags='--help --json --ttl --no-public --id --keys-file --max-life --admin --token-file --data --timeout --ca '
        valued=' --ttl --id --keys-file --max-life --admin --token-file --data --timeout --ca '
        ;;
    'token revoke')
        flags='--help --json --until --admin --token-file --data --timeout --ca '
        valued=' --until --admin --token-file --data --timeout --ca '
        ;;
    'token verify')
        flags='--help --json --keys-file --max-life '
        valued=' --keys-file --max-life '
        ;;
    'nodes')
        flags='--help --json --admin --token-file --data --timeout --ca '
        valued=' --admin --token-file --data --timeout --ca '
        ;;
    'drain')
        flags='--help --json --force --admin --token-file --data --timeout --ca '
        valued=' --admin --token-file --data --timeout --ca '
        ;;
    'migrate')
        commands='up plan status down '
        flags='--help --json '
        valued=' '
        ;;
    'migrate up')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split --enable '
        valued=' --config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split '
        ;;
    'migrate plan')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split --enable '
        valued=' --config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split '
        ;;
    'migrate status')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout '
        valued=' --config --zookeeper --znode-parent --table --timeout '
        ;;
    'migrate down')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout --to --lose-messages '
        valued=' --config --zookeeper --znode-parent --table --timeout --to --lose-messages '
        ;;
    'snapshot')
        commands='take list restore delete '
        flags='--help --json '
        valued=' '
        ;;
    'snapshot take')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout '
        valued=' --config --zookeeper --znode-parent --table --timeout '
        ;;
    'snapshot list')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout '
        valued=' --config --zookeeper --znode-parent --table --timeout '
        ;;
    'snapshot restore')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout --replace '
        valued=' --config --zookeeper --znode-parent --table --timeout '
        ;;
    'snapshot delete')
        flags='--help --json --config --zookeeper --znode-parent --table --timeout '
        valued=' --config --zookeeper --znode-parent --table --timeout '
        ;;
    'import')
        commands='redis '
        flags='--help --json '
        valued=' '
        ;;
    'import redis')
        flags='--help --json --config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --dry-run --match --checkpoint '
        valued=' --config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --match --checkpoint '
        ;;
    'export')
        commands='redis '
        flags='--help --json '
        valued=' '
        ;;
    'export redis')
        flags='--help --json --config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --dry-run --checkpoint '
        valued=' --config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --checkpoint '
        ;;
    'moving')
        flags='--help --json --wait --admin --token-file --data --timeout --ca '
        valued=' --admin --token-file --data --timeout --ca '
        ;;
    'health')
        flags='--help --json --ops --ready --timeout --ca '
        valued=' --ops --timeout --ca '
        ;;
    'bench')
        flags='--help --json --rate --duration --warmup --size --keys --readers --fetch --public --batch --connections --in-flight --idempotency --settle --keep --ops --yes-really --quiet --web --admin --token-file --data --timeout --ca '
        valued=' --rate --duration --warmup --size --keys --readers --fetch --public --connections --in-flight --settle --ops --web --admin --token-file --data --timeout --ca '
        ;;
    'doctor')
        flags='--help --json --config --data --role --store --zookeeper --znode-parent --table --timeout '
        valued=' --config --data --role --store --zookeeper --znode-parent --table --timeout '
        ;;
    'completion')
        flags='--help --json '
        valued=' '
        args='bash zsh fish'
        ;;
    'version')
        flags='--help --json '
        valued=' '
        ;;
    esac
}

# The value $cur of the option $2 of the command $1.
_gopush_value() {
    case "$1 $2" in
    'serve --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'serve --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'push --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'push --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'push --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'listen --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'inbox --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'where --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'explain --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'explain --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'explain --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'top --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'top --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'top --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token keygen --alg') COMPREPLY=($(compgen -W 'HS256 EdDSA' -- "$cur")) ;;
    'token mint --keys-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token mint --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token mint --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'token mint --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token revoke --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token revoke --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'token revoke --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'token verify --keys-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'nodes --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'nodes --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'nodes --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'drain --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'drain --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'drain --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'migrate up --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'migrate plan --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'migrate status --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'migrate down --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'snapshot take --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'snapshot list --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'snapshot restore --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'snapshot delete --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'import redis --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'import redis --password-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'import redis --checkpoint') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'export redis --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'export redis --password-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'export redis --checkpoint') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'moving --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'moving --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'moving --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'health --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'bench --token-file') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'bench --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    'bench --ca') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'doctor --config') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    'doctor --data') compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    esac
}

_gopush() {
    local cur=${COMP_WORDS[COMP_CWORD]} at='' option='' word i commands flags valued args
    COMPREPLY=()
    _gopush_at ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $option ]]; then
            [[ $word == '=' ]] || option='' # that was its value
        elif [[ $word == -* ]]; then
            [[ $valued == *" $word "* ]] && option=$word
        elif [[ " $commands" == *" $word "* ]]; then
            at=${at:+$at }$word
            _gopush_at "$at"
        fi
    done
    if [[ -n $option ]]; then
        [[ $cur == '=' ]] && cur=''
        _gopush_value "$at" "$option"
    elif [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$commands $args" -- "$cur"))
    fi
}

complete -F _gopush gopush
