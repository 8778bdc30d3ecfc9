# Completion of gopush for fish. For all shells:
# gopush completion fish > ~/.config/fish/completions/gopush.fish

# Whether the command line is at the command $argv.
function __gopush_at
    set -l at ''
    set -l option ''
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            set option '' # that was its value
            continue
        end
        switch "$at $word"
            case ' serve' ' push' ' listen' ' inbox' ' where' ' explain' ' top' ' token' ' nodes' ' drain' ' migrate' ' snapshot' ' import' ' export' ' moving' ' health' ' bench' ' doctor' ' completion' ' version' 
                set at (string trim "$at $word")
            case 'token keygen' 'token mint' 'token revoke' 'token verify' 
                set at (string trim "$at $word")
            case 'migrate up' 'migrate plan' 'migrate status' 'migrate down' 
                set at (string trim "$at $word")
            case 'snapshot take' 'snapshot list' 'snapshot restore' 'snapshot delete' 
                set at (string trim "$at $word")
            case 'import redis' 
                set at (string trim "$at $word")
            case 'export redis' 
                set at (string trim "$at $word")
            case 
                set option $word
            case 'serve --config' 'serve --data' 'serve --store' 'serve --zookeeper' 'serve --znode-parent' 'serve --table' 'serve --coordination' 'serve --log-level' 'serve --log-format' 'serve --ports-from' 'serve --set' 
                set option $word
            case 'push --ttl' 'push --idempotency-key' 'push --admin' 'push --token-file' 'push --data' 'push --timeout' 'push --ca' 
                set option $word
            case 'listen --after' 'listen --count' 'listen --admin' 'listen --token-file' 'listen --data' 'listen --web' 'listen --timeout' 'listen --ca' 
                set option $word
            case 'inbox --after' 'inbox --limit' 'inbox --web' 'inbox --timeout' 'inbox --ca' 
                set option $word
            case 'where --web' 'where --timeout' 'where --ca' 
                set option $word
            case 'explain --admin' 'explain --token-file' 'explain --data' 'explain --timeout' 'explain --ca' 
                set option $word
            case 'top --interval' 'top --keys' 'top --admin' 'top --token-file' 'top --data' 'top --timeout' 'top --ca' 
                set option $word
            case 
                set option $word
            case 'token keygen --alg' 
                set option $word
            case 'token mint --ttl' 'token mint --id' 'token mint --keys-file' 'token mint --max-life' 'token mint --admin' 'token mint --token-file' 'token mint --data' 'token mint --timeout' 'token mint --ca' 
                set option $word
            case 'token revoke --until' 'token revoke --admin' 'token revoke --token-file' 'token revoke --data' 'token revoke --timeout' 'token revoke --ca' 
                set option $word
            case 'token verify --keys-file' 'token verify --max-life' 
                set option $word
            case 'nodes --admin' 'nodes --token-file' 'nodes --data' 'nodes --timeout' 'nodes --ca' 
                set option $word
            case 'drain --admin' 'drain --token-file' 'drain --data' 'drain --timeout' 'drain --ca' 
                set option $word
            case 
                set option $word
            case 'migrate up --config' 'migrate up --zookeeper' 'migrate up --znode-parent' 'migrate up --table' 'migrate up --timeout' 'migrate up --compression' 'migrate up --block-bytes' 'migrate up --encoding' 'migrate up --ttl' 'migrate up --replication' 'migrate up --regions' 'migrate up --alphabet' 'migrate up --prefix' 'migrate up --split' 
                set option $word
            case 'migrate plan --config' 'migrate plan --zookeeper' 'migrate plan --znode-parent' 'migrate plan --table' 'migrate plan --timeout' 'migrate plan --compression' 'migrate plan --block-bytes' 'migrate plan --encoding' 'migrate plan --ttl' 'migrate plan --replication' 'migrate plan --regions' 'migrate plan --alphabet' 'migrate plan --prefix' 'migrate plan --split' 
                set option $word
            case 'migrate status --config' 'migrate status --zookeeper' 'migrate status --znode-parent' 'migrate status --table' 'migrate status --timeout' 
                set option $word
            case 'migrate down --config' 'migrate down --zookeeper' 'migrate down --znode-parent' 'migrate down --table' 'migrate down --timeout' 'migrate down --to' 'migrate down --lose-messages' 
                set option $word
            case 
                set option $word
            case 'snapshot take --config' 'snapshot take --zookeeper' 'snapshot take --znode-parent' 'snapshot take --table' 'snapshot take --timeout' 
                set option $word
            case 'snapshot list --config' 'snapshot list --zookeeper' 'snapshot list --znode-parent' 'snapshot list --table' 'snapshot list --timeout' 
                set option $word
            case 'snapshot restore --config' 'snapshot restore --zookeeper' 'snapshot restore --znode-parent' 'snapshot restore --table' 'snapshot restore --timeout' 
                set option $word
            case 'snapshot delete --config' 'snapshot delete --zookeeper' 'snapshot delete --znode-parent' 'snapshot delete --table' 'snapshot delete --timeout' 
                set option $word
            case 
                set option $word
            case 'import redis --config' 'import redis --zookeeper' 'import redis --znode-parent' 'import redis --table' 'import redis --server' 'import redis --db' 'import redis --password-file' 'import redis --prefix' 'import redis --ring' 'import redis --group' 'import redis --rate' 'import redis --match' 'import redis --checkpoint' 
                set option $word
            case 
                set option $word
            case 'export redis --config' 'export redis --zookeeper' 'export redis --znode-parent' 'export redis --table' 'export redis --server' 'export redis --db' 'export redis --password-file' 'export redis --prefix' 'export redis --ring' 'export redis --group' 'export redis --rate' 'export redis --checkpoint' 
                set option $word
            case 'moving --admin' 'moving --token-file' 'moving --data' 'moving --timeout' 'moving --ca' 
                set option $word
            case 'health --ops' 'health --timeout' 'health --ca' 
                set option $word
            case 'bench --rate' 'bench --duration' 'bench --warmup' 'bench --size' 'bench --keys' 'bench --readers' 'bench --fetch' 'bench --public' 'bench --connections' 'bench --in-flight' 'bench --settle' 'bench --ops' 'bench --web' 'bench --admin' 'bench --token-file' 'bench --data' 'bench --timeout' 'bench --ca' 
                set option $word
            case 'doctor --config' 'doctor --data' 'doctor --role' 'doctor --store' 'doctor --zookeeper' 'doctor --znode-parent' 'doctor --table' 'doctor --timeout' 
                set option $word
            case 
                set option $word
            case 
                set option $word
        end
    end
    test "$at" = "$argv"
end

complete -c gopush -f
complete -c gopush -n '__gopush_at ' -a serve -d 'Run comet, message and web in one process.'
complete -c gopush -n '__gopush_at ' -a push -d 'Push one message to a key.'
complete -c gopush -n '__gopush_at ' -a listen -d 'Print the messages of a key as they come.'
complete -c gopush -n '__gopush_at ' -a inbox -d 'Print the stored messages of a key.'
complete -c gopush -n '__gopush_at ' -a where -d 'Show which node a key lives on.'
complete -c gopush -n '__gopush_at ' -a explain -d 'Tell what has become of one message.'
complete -c gopush -n '__gopush_at ' -a top -d 'Show what the nodes do, and the busiest keys, again and again.'
complete -c gopush -n '__gopush_at ' -a token -d 'Make and check the signed tokens of clients.'
complete -c gopush -n '__gopush_at ' -a nodes -d 'List the nodes of the cluster.'
complete -c gopush -n '__gopush_at ' -a drain -d 'Have the node that serves a group hand over to another.'
complete -c gopush -n '__gopush_at ' -a migrate -d 'Make or change the table on HBase.'
complete -c gopush -n '__gopush_at ' -a snapshot -d 'Back the table on HBase up, and restore it.'
complete -c gopush -n '__gopush_at ' -a import -d 'Bring messages of other systems into the table on HBase.'
complete -c gopush -n '__gopush_at ' -a export -d 'Bring messages of the table on HBase back to the system that they were imported from.'
complete -c gopush -n '__gopush_at ' -a moving -d 'Show what a web node does with keys that are moved from gopush-cluster 1.0.'
complete -c gopush -n '__gopush_at ' -a health -d 'Ask a process of any role whether it lives, and serves; for health checks.'
complete -c gopush -n '__gopush_at ' -a bench -d 'Put load on a server, measure it, and prove that nothing is lost.'
complete -c gopush -n '__gopush_at ' -a doctor -d 'Look for what is wrong, with what to do about it.'
complete -c gopush -n '__gopush_at ' -a completion -d 'Print the completion of command lines for a shell.'
complete -c gopush -n '__gopush_at ' -a version -d 'Show the version.'
complete -c gopush -n '__gopush_at ' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at ' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at serve' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at serve' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at serve' -l config -d 'Settings file, YAML; see --print-config.' -r -F
complete -c gopush -n '__gopush_at serve' -l data -d 'Data folder.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at serve' -l store -d 'Where messages are kept: embedded, in the data folder, or hbase ($GOPUSH_STORE).' -x
complete -c gopush -n '__gopush_at serve' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at serve' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at serve' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at serve' -l coordination -d 'How nodes find each other: local, in this process, or zookeeper ($GOPUSH_COORDINATION).' -x
complete -c gopush -n '__gopush_at serve' -l dev -d 'Development: the admin API takes requests from this machine without a token.'
complete -c gopush -n '__gopush_at serve' -l log-level -d 'debug, info, warn or error.' -x
complete -c gopush -n '__gopush_at serve' -l log-format -d 'text or json.' -x
complete -c gopush -n '__gopush_at serve' -l ports-from -d 'Put all listeners on consecutive ports from N on; 0: on free ones.' -x
complete -c gopush -n '__gopush_at serve' -l set -d 'Any setting, such as --set comet.max_per_key=8; it goes over the file.' -x
complete -c gopush -n '__gopush_at serve' -l print-config -d 'Print all settings, as a file with explanations, and end.'
complete -c gopush -n '__gopush_at push' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at push' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at push' -l ttl -d 'How long the message lives; without it as long as the server decides.' -x
complete -c gopush -n '__gopush_at push' -l transient -d 'Only for who is connected right now: it is not stored.'
complete -c gopush -n '__gopush_at push' -l idempotency-key -d 'Makes a retry safe: pushing again with the same one stores nothing new.' -x
complete -c gopush -n '__gopush_at push' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at push' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at push' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at push' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at push' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at listen' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at listen' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at listen' -l after -d 'Start with the messages above this id; 0: with all that are stored; without it: with new ones.' -x
complete -c gopush -n '__gopush_at listen' -l count -d 'End after so many messages; 0: never.' -x
complete -c gopush -n '__gopush_at listen' -l no-public -d 'Leave public messages out.'
complete -c gopush -n '__gopush_at listen' -l mint -d 'Where client tokens are required: have the server make them, over the admin API, the next one before each ends. Without it: the token of GOPUSH_CLIENT_TOKEN.'
complete -c gopush -n '__gopush_at listen' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at listen' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at listen' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at listen' -l web -d 'Public API of the server, default http://127.0.0.1:8090.' -x
complete -c gopush -n '__gopush_at listen' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at listen' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at inbox' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at inbox' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at inbox' -l after -d 'Only messages above this id.' -x
complete -c gopush -n '__gopush_at inbox' -l limit -d 'The most messages to print, default 100.' -x
complete -c gopush -n '__gopush_at inbox' -l web -d 'Public API of the server, default http://127.0.0.1:8090.' -x
complete -c gopush -n '__gopush_at inbox' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at inbox' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at where' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at where' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at where' -l web -d 'Public API of the server, default http://127.0.0.1:8090.' -x
complete -c gopush -n '__gopush_at where' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at where' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at explain' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at explain' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at explain' -l public -d 'The message is a public one: gopush explain --public ID.'
complete -c gopush -n '__gopush_at explain' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at explain' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at explain' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at explain' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at explain' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at top' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at top' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at top' -l interval -d 'How often to look.' -x
complete -c gopush -n '__gopush_at top' -l once -d 'Show one table, after one interval, and end.'
complete -c gopush -n '__gopush_at top' -l keys -d 'How many of the busiest keys to show, 0 to 100.' -x
complete -c gopush -n '__gopush_at top' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at top' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at top' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at top' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at top' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at token' -a keygen -d 'Make a key that signs tokens, as a line for tokens.keys_file.'
complete -c gopush -n '__gopush_at token' -a mint -d 'Make a token: with a file of keys on this machine, or else over the admin API.'
complete -c gopush -n '__gopush_at token' -a revoke -d 'Revoke a token by its name, on every node.'
complete -c gopush -n '__gopush_at token' -a verify -d 'Say what a token allows, or what is wrong with it.'
complete -c gopush -n '__gopush_at token' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at token' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at token keygen' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at token keygen' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at token keygen' -l alg -d 'HS256: one secret signs and checks. EdDSA: a public key checks.' -x -a 'HS256 EdDSA'
complete -c gopush -n '__gopush_at token mint' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at token mint' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at token mint' -l ttl -d 'How long it is valid.' -x
complete -c gopush -n '__gopush_at token mint' -l no-public -d 'Not for public messages.'
complete -c gopush -n '__gopush_at token mint' -l id -d 'Name of the token (jti); made if it is missing.' -x
complete -c gopush -n '__gopush_at token mint' -l keys-file -d 'File of keys to sign with, on this machine; without it the server signs.' -r -F
complete -c gopush -n '__gopush_at token mint' -l max-life -d 'With --keys-file: what the servers have as tokens.max_life.' -x
complete -c gopush -n '__gopush_at token mint' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at token mint' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at token mint' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at token mint' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at token mint' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at token revoke' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at token revoke' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at token revoke' -l until -d 'Until when it is refused, such as its own end, as 2026-12-31T00:00:00Z; without it for as long as a token can be valid.' -x
complete -c gopush -n '__gopush_at token revoke' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at token revoke' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at token revoke' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at token revoke' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at token revoke' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at token verify' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at token verify' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at token verify' -l keys-file -d 'File of keys to check with.' -r -F
complete -c gopush -n '__gopush_at token verify' -l max-life -d 'What the servers have as tokens.max_life.' -x
complete -c gopush -n '__gopush_at nodes' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at nodes' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at nodes' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at nodes' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at nodes' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at nodes' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at nodes' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at drain' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at drain' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at drain' -l force -d 'Even without another node to hand over to, which interrupts the group.'
complete -c gopush -n '__gopush_at drain' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at drain' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at drain' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at drain' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at drain' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at migrate' -a up -d 'Make the table, or bring it to the schema that this program needs.'
complete -c gopush -n '__gopush_at migrate' -a plan -d 'Show what up would do, and do nothing.'
complete -c gopush -n '__gopush_at migrate' -a status -d 'Show the table and its schema.'
complete -c gopush -n '__gopush_at migrate' -a down -d 'Take the table back to an older schema, where nothing is lost by it.'
complete -c gopush -n '__gopush_at migrate' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at migrate' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at migrate up' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at migrate up' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at migrate up' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at migrate up' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at migrate up' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at migrate up' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at migrate up' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at migrate up' -l compression -d 'Compression of the table: NONE (default of a new table), SNAPPY, ZSTD, LZ4, GZ and so on. It is proven on every region server first.' -x
complete -c gopush -n '__gopush_at migrate up' -l block-bytes -d 'Size of HBase'\''s blocks; a new table has 32768.' -x
complete -c gopush -n '__gopush_at migrate up' -l encoding -d 'Encoding of data blocks; a new table has FAST_DIFF.' -x
complete -c gopush -n '__gopush_at migrate up' -l ttl -d 'How long HBase keeps a cell whatever else it is told, such as 2160h; a new table has forever.' -x
complete -c gopush -n '__gopush_at migrate up' -l replication -d 'Replication scope: 0 (default of a new table), or 1 to replicate to the peers of the cluster.' -x
complete -c gopush -n '__gopush_at migrate up' -l regions -d 'Cut a new table into so many regions.' -x
complete -c gopush -n '__gopush_at migrate up' -l alphabet -d 'Of what keys are, for --regions: any (letters and digits, the default), digits, or hex.' -x
complete -c gopush -n '__gopush_at migrate up' -l prefix -d 'What all keys begin with, for --regions.' -x
complete -c gopush -n '__gopush_at migrate up' -l split -d 'Cut a new table at this subscription key; can be repeated.' -x
complete -c gopush -n '__gopush_at migrate up' -l enable -d 'Enable the table if it is disabled.'
complete -c gopush -n '__gopush_at migrate plan' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at migrate plan' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at migrate plan' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at migrate plan' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at migrate plan' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at migrate plan' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at migrate plan' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at migrate plan' -l compression -d 'Compression of the table: NONE (default of a new table), SNAPPY, ZSTD, LZ4, GZ and so on. It is proven on every region server first.' -x
complete -c gopush -n '__gopush_at migrate plan' -l block-bytes -d 'Size of HBase'\''s blocks; a new table has 32768.' -x
complete -c gopush -n '__gopush_at migrate plan' -l encoding -d 'Encoding of data blocks; a new table has FAST_DIFF.' -x
complete -c gopush -n '__gopush_at migrate plan' -l ttl -d 'How long HBase keeps a cell whatever else it is told, such as 2160h; a new table has forever.' -x
complete -c gopush -n '__gopush_at migrate plan' -l replication -d 'Replication scope: 0 (default of a new table), or 1 to replicate to the peers of the cluster.' -x
complete -c gopush -n '__gopush_at migrate plan' -l regions -d 'Cut a new table into so many regions.' -x
complete -c gopush -n '__gopush_at migrate plan' -l alphabet -d 'Of what keys are, for --regions: any (letters and digits, the default), digits, or hex.' -x
complete -c gopush -n '__gopush_at migrate plan' -l prefix -d 'What all keys begin with, for --regions.' -x
complete -c gopush -n '__gopush_at migrate plan' -l split -d 'Cut a new table at this subscription key; can be repeated.' -x
complete -c gopush -n '__gopush_at migrate plan' -l enable -d 'Enable the table if it is disabled.'
complete -c gopush -n '__gopush_at migrate status' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at migrate status' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at migrate status' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at migrate status' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at migrate status' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at migrate status' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at migrate status' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at migrate down' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at migrate down' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at migrate down' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at migrate down' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at migrate down' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at migrate down' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at migrate down' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at migrate down' -l to -d 'The schema to go back to; 0 drops the table, which must hold no message.' -x
complete -c gopush -n '__gopush_at migrate down' -l lose-messages -d 'Drop the table though it holds messages; its name, to make sure.' -x
complete -c gopush -n '__gopush_at snapshot' -a take -d 'Keep the table as it is now; it goes on serving.'
complete -c gopush -n '__gopush_at snapshot' -a list -d 'List the snapshots that HBase has.'
complete -c gopush -n '__gopush_at snapshot' -a restore -d 'Make the table what it was at a snapshot. Stop all nodes before.'
complete -c gopush -n '__gopush_at snapshot' -a delete -d 'Give up a snapshot of the table.'
complete -c gopush -n '__gopush_at snapshot' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at snapshot' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at snapshot take' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at snapshot take' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at snapshot take' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at snapshot take' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at snapshot take' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at snapshot take' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at snapshot take' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at snapshot list' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at snapshot list' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at snapshot list' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at snapshot list' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at snapshot list' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at snapshot list' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at snapshot list' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at snapshot restore' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at snapshot restore' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at snapshot restore' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at snapshot restore' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at snapshot restore' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at snapshot restore' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at snapshot restore' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at snapshot restore' -l replace -d 'Replace what is in a table that exists. A snapshot of it is taken before.'
complete -c gopush -n '__gopush_at snapshot delete' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at snapshot delete' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at snapshot delete' -l config -d 'Settings file of gopush serve; its section store counts.' -r -F
complete -c gopush -n '__gopush_at snapshot delete' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at snapshot delete' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at snapshot delete' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at snapshot delete' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at import' -a redis -d 'Import what gopush-cluster 1.0 keeps in Redis. It may run again and again.'
complete -c gopush -n '__gopush_at import' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at import' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at import redis' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at import redis' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at import redis' -l config -d 'Settings file of gopush serve; its sections store and messages count.' -r -F
complete -c gopush -n '__gopush_at import redis' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at import redis' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at import redis' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at import redis' -l server -d 'A Redis server of the old system; name them all. To write to several, each as NODE:WEIGHT=HOST:PORT, as there.' -x
complete -c gopush -n '__gopush_at import redis' -l db -d 'Number of Redis'\''s database.' -x
complete -c gopush -n '__gopush_at import redis' -l password-file -d 'File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one.' -r -F
complete -c gopush -n '__gopush_at import redis' -l prefix -d 'What names in Redis begin with, and subscription keys do not.' -x
complete -c gopush -n '__gopush_at import redis' -l ring -d 'The comet nodes of the old system with their weights, such as node1=1,node2=1; for --group.' -x
complete -c gopush -n '__gopush_at import redis' -l group -d 'Keys of this node of the ring alone; may be repeated.' -x
complete -c gopush -n '__gopush_at import redis' -l rate -d 'Messages stored per second at most; 0 for no bound.' -x
complete -c gopush -n '__gopush_at import redis' -l dry-run -d 'Read and count; store nothing.'
complete -c gopush -n '__gopush_at import redis' -l match -d 'Pattern of Redis that names must match; without it all with the prefix.' -x
complete -c gopush -n '__gopush_at import redis' -l checkpoint -d 'File that remembers how far an import came that was ended, default gopush-import.json.' -r -F
complete -c gopush -n '__gopush_at export' -a redis -d 'Bring back to the Redis of gopush-cluster 1.0 what was pushed here: the way back of an import. Hold the pushes before.'
complete -c gopush -n '__gopush_at export' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at export' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at export redis' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at export redis' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at export redis' -l config -d 'Settings file of gopush serve; its sections store and messages count.' -r -F
complete -c gopush -n '__gopush_at export redis' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at export redis' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at export redis' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at export redis' -l server -d 'A Redis server of the old system; name them all. To write to several, each as NODE:WEIGHT=HOST:PORT, as there.' -x
complete -c gopush -n '__gopush_at export redis' -l db -d 'Number of Redis'\''s database.' -x
complete -c gopush -n '__gopush_at export redis' -l password-file -d 'File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one.' -r -F
complete -c gopush -n '__gopush_at export redis' -l prefix -d 'What names in Redis begin with, and subscription keys do not.' -x
complete -c gopush -n '__gopush_at export redis' -l ring -d 'The comet nodes of the old system with their weights, such as node1=1,node2=1; for --group.' -x
complete -c gopush -n '__gopush_at export redis' -l group -d 'Keys of this node of the ring alone; may be repeated.' -x
complete -c gopush -n '__gopush_at export redis' -l rate -d 'Messages stored per second at most; 0 for no bound.' -x
complete -c gopush -n '__gopush_at export redis' -l dry-run -d 'Read and count; store nothing.'
complete -c gopush -n '__gopush_at export redis' -l checkpoint -d 'File that remembers how far an export came that was ended, default gopush-export.json.' -r -F
complete -c gopush -n '__gopush_at moving' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at moving' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at moving' -l wait -d 'Wait until nothing is in flight of what began under other settings, and the ids lie behind the clock.'
complete -c gopush -n '__gopush_at moving' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at moving' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at moving' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at moving' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at moving' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at health' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at health' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at health' -l ops -d 'Ops listener of the process, default 127.0.0.1:6971.' -x
complete -c gopush -n '__gopush_at health' -l ready -d 'Ask whether it can serve, not only whether it lives.'
complete -c gopush -n '__gopush_at health' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at health' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at bench' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at bench' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at bench' -l rate -d 'Pushes per second, default 1000.' -x
complete -c gopush -n '__gopush_at bench' -l duration -d 'How long to measure, default 30s.' -x
complete -c gopush -n '__gopush_at bench' -l warmup -d 'How long to push before that, default 5s.' -x
complete -c gopush -n '__gopush_at bench' -l size -d 'Bytes of a message, default 128.' -x
complete -c gopush -n '__gopush_at bench' -l keys -d 'Keys to push to in turn, default 100.' -x
complete -c gopush -n '__gopush_at bench' -l readers -d 'Websocket readers of each key, default 1.' -x
complete -c gopush -n '__gopush_at bench' -l fetch -d 'Readers that poll by HTTP once a second, of the first N keys.' -x
complete -c gopush -n '__gopush_at bench' -l public -d 'Broadcasts per second, beside the rate: they go to everybody who is connected!' -x
complete -c gopush -n '__gopush_at bench' -l batch -d 'Push through NDJSON batches, not one request each.'
complete -c gopush -n '__gopush_at bench' -l connections -d 'Connections that carry pushes; default 64, or 8 for batches.' -x
complete -c gopush -n '__gopush_at bench' -l in-flight -d 'Pushes that are due and not answered, at most, default 4096.' -x
complete -c gopush -n '__gopush_at bench' -l idempotency -d 'Push with idempotency keys, so that every retry is safe; on by default.'
complete -c gopush -n '__gopush_at bench' -l settle -d 'How long readers may take at the end, default 10s.' -x
complete -c gopush -n '__gopush_at bench' -l keep -d 'Leave the keys; their messages expire.'
complete -c gopush -n '__gopush_at bench' -l ops -d 'Ops listeners of servers whose processor time to read, separated by commas.' -x
complete -c gopush -n '__gopush_at bench' -l yes-really -d 'Put the load on servers that are not this machine.'
complete -c gopush -n '__gopush_at bench' -l quiet -d 'No progress on standard error.'
complete -c gopush -n '__gopush_at bench' -l web -d 'Public API of the server, default http://127.0.0.1:8090.' -x
complete -c gopush -n '__gopush_at bench' -l admin -d 'Admin API of the server, default http://127.0.0.1:8091.' -x
complete -c gopush -n '__gopush_at bench' -l token-file -d 'File with the admin token. Without it: GOPUSH_TOKEN, else admin.token in the data folder.' -r -F
complete -c gopush -n '__gopush_at bench' -l data -d 'Data folder of a server on this machine, default gopush-data.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at bench' -l timeout -d 'How long to wait for an answer.' -x
complete -c gopush -n '__gopush_at bench' -l ca -d 'File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.' -r -F
complete -c gopush -n '__gopush_at doctor' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at doctor' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at doctor' -l config -d 'Settings file of gopush serve.' -r -F
complete -c gopush -n '__gopush_at doctor' -l data -d 'Data folder.' -x -a '(__fish_complete_directories)'
complete -c gopush -n '__gopush_at doctor' -l role -d 'Of the process: message, comet, web or all. Without it the one that the settings file is named after, as in message.yaml, else all.' -x
complete -c gopush -n '__gopush_at doctor' -l store -d 'Where messages are kept: embedded, in the data folder, or hbase.' -x
complete -c gopush -n '__gopush_at doctor' -l zookeeper -d 'Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).' -x
complete -c gopush -n '__gopush_at doctor' -l znode-parent -d 'The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).' -x
complete -c gopush -n '__gopush_at doctor' -l table -d 'Table of the messages, default gopush:messages ($GOPUSH_TABLE).' -x
complete -c gopush -n '__gopush_at doctor' -l timeout -d 'How long the whole may take.' -x
complete -c gopush -n '__gopush_at completion' -a bash
complete -c gopush -n '__gopush_at completion' -a zsh
complete -c gopush -n '__gopush_at completion' -a fish
complete -c gopush -n '__gopush_at completion' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at completion' -l json -d 'Write results and errors as JSON.'
complete -c gopush -n '__gopush_at version' -l help -d 'Show context-sensitive help.'
complete -c gopush -n '__gopush_at version' -l json -d 'Write results and errors as JSON.'
