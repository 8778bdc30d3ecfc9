#compdef gopush
# Completion of gopush for zsh. Put it where $fpath leads to, under the name _gopush:
# gopush completion zsh > "${fpath[1]}/_gopush"

# What may stand behind the command $1.
_gopush_at() {
    commands=() flags=() valued=() args=()
    case $1 in
    '')
        commands=(
            'serve:Run comet, message and web in one process.'
            'push:Push one message to a key.'
            'listen:Print the messages of a key as they come.'
            'inbox:Print the stored messages of a key.'
            'where:Show which node a key lives on.'
            'explain:Tell what has become of one message.'
            'top:Show what the nodes do, and the busiest keys, again and again.'
            'token:Make and check the signed tokens of clients.'
            'nodes:List the nodes of the cluster.'
            'drain:Have the node that serves a group hand over to another.'
            'migrate:Make or change the table on HBase.'
            'snapshot:Back the table on HBase up, and restore it.'
            'import:Bring messages of other systems into the table on HBase.'
            'export:Bring messages of the table on HBase back to the system that they were imported from.'
            'moving:Show what a web node does with keys that are moved from gopush-cluster 1.0.'
            'health:Ask a process of any role whether it lives, and serves; for health checks.'
            'bench:Put load on a server, measure it, and prove that nothing is lost.'
            'doctor:Look for what is wrong, with what to do about it.'
            'completion:Print the completion of command lines for a shell.'
            'version:Show the version.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'serve')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file, YAML; see --print-config.'
            '--data:Data folder.'
            '--store:Where messages are kept\: embedded, in the data folder, or hbase ($GOPUSH_STORE).'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--coordination:How nodes find each other\: local, in this process, or zookeeper ($GOPUSH_COORDINATION).'
            '--dev:Development\: the admin API takes requests from this machine without a token.'
            '--log-level:debug, info, warn or error.'
            '--log-format:text or json.'
            '--ports-from:Put all listeners on consecutive ports from N on; 0\: on free ones.'
            '--set:Any setting, such as --set comet.max_per_key=8; it goes over the file.'
            '--print-config:Print all settings, as a file with explanations, and end.'
        )
        valued=(--config --data --store --zookeeper --znode-parent --table --coordination --log-level --log-format --ports-from --set )
        ;;
    'push')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--ttl:How long the message lives; without it as long as the server decides.'
            '--transient:Only for who is connected right now\: it is not stored.'
            '--idempotency-key:Makes a retry safe\: pushing again with the same one stores nothing new.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--ttl --idempotency-key --admin --token-file --data --timeout --ca )
        ;;
    'listen')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--after:Start with the messages above this id; 0\: with all that are stored; without it\: with new ones.'
            '--count:End after so many messages; 0\: never.'
            '--no-public:Leave public messages out.'
            '--web:Public API of the server, default http\://127.0.0.1\:8090.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--after --count --web --timeout --ca )
        ;;
    'inbox')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--after:Only messages above this id.'
            '--limit:The most messages to print, default 100.'
            '--web:Public API of the server, default http\://127.0.0.1\:8090.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--after --limit --web --timeout --ca )
        ;;
    'where')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--web:Public API of the server, default http\://127.0.0.1\:8090.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--web --timeout --ca )
        ;;
    'explain')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--public:The message is a public one\: gopush explain --public ID.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--admin --token-file --data --timeout --ca )
        ;;
    'top')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--interval:How often to look.'
            '--once:Show one table, after one interval, and end.'
            '--keys:How many of the busiest keys to show, 0 to 100.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--interval --keys --admin --token-file --data --timeout --ca )
        ;;
    'token')
        commands=(
            'keygen:Make a key that signs tokens, as a line for tokens.keys_file.'
            'mint:Make a token\: with a file of keys on this machine, or else over the admin API.'
            'revoke:Revoke a token by its name, on every node.'
            'verify:Say what a token allows, or what is wrong with it.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'token keygen')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--alg:HS256\: one secret signs and checks. EdDSA\: a public key checks.'
        )
        valued=(--alg )
        ;;
    'token mint')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--ttl:How long it is valid.'
            '--no-public:Not for public messages.'
            '--id:Name of the token (jti); made if it is missing.'
            '--keys-file:File of keys to sign with, on this machine; without it the server signs.'
            '--max-life:With --keys-file\: what the servers have as tokens.max_life.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--ttl --id --keys-file --max-life --admin --token-file --data --timeout --ca )
        ;;
    'token revoke')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--until:Until when it is refused, such as its own end, as 2026-12-31T00\:00\:00Z; without it for as long as a token can be valid.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--until --admin --token-file --data --timeout --ca )
        ;;
    'token verify')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--keys-file:File of keys to check with.'
            '--max-life:What the servers have as tokens.max_life.'
        )
        valued=(--keys-file --max-life )
        ;;
    'nodes')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--admin --token-file --data --timeout --ca )
        ;;
    'drain')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--force:Even without another node to hand over to, which interrupts the group.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--admin --token-file --data --timeout --ca )
        ;;
    'migrate')
        commands=(
            'up:Make the table, or bring it to the schema that this program needs.'
            'plan:Show what up would do, and do nothing.'
            'status:Show the table and its schema.'
            'down:Take the table back to an older schema, where nothing is lost by it.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'migrate up')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
            '--compression:Compression of the table\: NONE (default of a new table), SNAPPY, ZSTD, LZ4, GZ and so on. It is proven on every region server first.'
            '--block-bytes:Size of HBase'\''s blocks; a new table has 32768.'
            '--encoding:Encoding of data blocks; a new table has FAST_DIFF.'
            '--ttl:How long HBase keeps a cell whatever else it is told, such as 2160h; a new table has forever.'
            '--replication:Replication scope\: 0 (default of a new table), or 1 to replicate to the peers of the cluster.'
            '--regions:Cut a new table into so many regions.'
            '--alphabet:Of what keys are, for --regions\: any (letters and digits, the default), digits, or hex.'
            '--prefix:What all keys begin with, for --regions.'
            '--split:Cut a new table at this subscription key; can be repeated.'
            '--enable:Enable the table if it is disabled.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split )
        ;;
    'migrate plan')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
            '--compression:Compression of the table\: NONE (default of a new table), SNAPPY, ZSTD, LZ4, GZ and so on. It is proven on every region server first.'
            '--block-bytes:Size of HBase'\''s blocks; a new table has 32768.'
            '--encoding:Encoding of data blocks; a new table has FAST_DIFF.'
            '--ttl:How long HBase keeps a cell whatever else it is told, such as 2160h; a new table has forever.'
            '--replication:Replication scope\: 0 (default of a new table), or 1 to replicate to the peers of the cluster.'
            '--regions:Cut a new table into so many regions.'
            '--alphabet:Of what keys are, for --regions\: any (letters and digits, the default), digits, or hex.'
            '--prefix:What all keys begin with, for --regions.'
            '--split:Cut a new table at this subscription key; can be repeated.'
            '--enable:Enable the table if it is disabled.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout --compression --block-bytes --encoding --ttl --replication --regions --alphabet --prefix --split )
        ;;
    'migrate status')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout )
        ;;
    'migrate down')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
            '--to:The schema to go back to; 0 drops the table, which must hold no message.'
            '--lose-messages:Drop the table though it holds messages; its name, to make sure.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout --to --lose-messages )
        ;;
    'snapshot')
        commands=(
            'take:Keep the table as it is now; it goes on serving.'
            'list:List the snapshots that HBase has.'
            'restore:Make the table what it was at a snapshot. Stop all nodes before.'
            'delete:Give up a snapshot of the table.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'snapshot take')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout )
        ;;
    'snapshot list')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout )
        ;;
    'snapshot restore')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
            '--replace:Replace what is in a table that exists. A snapshot of it is taken before.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout )
        ;;
    'snapshot delete')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its section store counts.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
        )
        valued=(--config --zookeeper --znode-parent --table --timeout )
        ;;
    'import')
        commands=(
            'redis:Import what gopush-cluster 1.0 keeps in Redis. It may run again and again.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'import redis')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its sections store and messages count.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--server:A Redis server of the old system; name them all. To write to several, each as NODE\:WEIGHT=HOST\:PORT, as there.'
            '--db:Number of Redis'\''s database.'
            '--password-file:File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one.'
            '--prefix:What names in Redis begin with, and subscription keys do not.'
            '--ring:The comet nodes of the old system with their weights, such as node1=1,node2=1; for --group.'
            '--group:Keys of this node of the ring alone; may be repeated.'
            '--rate:Messages stored per second at most; 0 for no bound.'
            '--dry-run:Read and count; store nothing.'
            '--match:Pattern of Redis that names must match; without it all with the prefix.'
            '--checkpoint:File that remembers how far an import came that was ended, default gopush-import.json.'
        )
        valued=(--config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --match --checkpoint )
        ;;
    'export')
        commands=(
            'redis:Bring back to the Redis of gopush-cluster 1.0 what was pushed here\: the way back of an import. Hold the pushes before.'
        )
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    'export redis')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve; its sections store and messages count.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--server:A Redis server of the old system; name them all. To write to several, each as NODE\:WEIGHT=HOST\:PORT, as there.'
            '--db:Number of Redis'\''s database.'
            '--password-file:File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one.'
            '--prefix:What names in Redis begin with, and subscription keys do not.'
            '--ring:The comet nodes of the old system with their weights, such as node1=1,node2=1; for --group.'
            '--group:Keys of this node of the ring alone; may be repeated.'
            '--rate:Messages stored per second at most; 0 for no bound.'
            '--dry-run:Read and count; store nothing.'
            '--checkpoint:File that remembers how far an export came that was ended, default gopush-export.json.'
        )
        valued=(--config --zookeeper --znode-parent --table --server --db --password-file --prefix --ring --group --rate --checkpoint )
        ;;
    'moving')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--wait:Wait until nothing is in flight of what began under other settings, and the ids lie behind the clock.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--admin --token-file --data --timeout --ca )
        ;;
    'health')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--ops:Ops listener of the process, default 127.0.0.1\:6971.'
            '--ready:Ask whether it can serve, not only whether it lives.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--ops --timeout --ca )
        ;;
    'bench')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--rate:Pushes per second, default 1000.'
            '--duration:How long to measure, default 30s.'
            '--warmup:How long to push before that, default 5s.'
            '--size:Bytes of a message, default 128.'
            '--keys:Keys to push to in turn, default 100.'
            '--readers:Websocket readers of each key, default 1.'
            '--fetch:Readers that poll by HTTP once a second, of the first N keys.'
            '--public:Broadcasts per second, beside the rate\: they go to everybody who is connected!'
            '--batch:Push through NDJSON batches, not one request each.'
            '--connections:Connections that carry pushes; default 64, or 8 for batches.'
            '--in-flight:Pushes that are due and not answered, at most, default 4096.'
            '--idempotency:Push with idempotency keys, so that every retry is safe; on by default.'
            '--settle:How long readers may take at the end, default 10s.'
            '--keep:Leave the keys; their messages expire.'
            '--ops:Ops listeners of servers whose processor time to read, separated by commas.'
            '--yes-really:Put the load on servers that are not this machine.'
            '--quiet:No progress on standard error.'
            '--web:Public API of the server, default http\://127.0.0.1\:8090.'
            '--admin:Admin API of the server, default http\://127.0.0.1\:8091.'
            '--token-file:File with the admin token. Without it\: GOPUSH_TOKEN, else admin.token in the data folder.'
            '--data:Data folder of a server on this machine, default gopush-data.'
            '--timeout:How long to wait for an answer.'
            '--ca:File with the authority of the server'\''s certificate, PEM; without it, those that this machine knows.'
        )
        valued=(--rate --duration --warmup --size --keys --readers --fetch --public --connections --in-flight --settle --ops --web --admin --token-file --data --timeout --ca )
        ;;
    'doctor')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
            '--config:Settings file of gopush serve.'
            '--data:Data folder.'
            '--role:Of the process\: message, comet, web or all. Without it the one that the settings file is named after, as in message.yaml, else all.'
            '--store:Where messages are kept\: embedded, in the data folder, or hbase.'
            '--zookeeper:Addresses of HBase'\''s ZooKeeper ($GOPUSH_ZOOKEEPER).'
            '--znode-parent:The znode that HBase keeps its own below, default /hbase ($GOPUSH_ZNODE_PARENT).'
            '--table:Table of the messages, default gopush\:messages ($GOPUSH_TABLE).'
            '--timeout:How long the whole may take.'
        )
        valued=(--config --data --role --store --zookeeper --znode-parent --table --timeout )
        ;;
    'completion')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        args=(bash zsh fish)
        ;;
    'version')
        flags=(
            '--help:Show context-sensitive help.'
            '--json:Write results and errors as JSON.'
        )
        valued=()
        ;;
    esac
}

# A value of the option $2 of the command $1.
_gopush_value() {
    case "$1 $2" in
    'serve --config') _files ;;
    'serve --data') _files -/ ;;
    'push --token-file') _files ;;
    'push --data') _files -/ ;;
    'push --ca') _files ;;
    'listen --ca') _files ;;
    'inbox --ca') _files ;;
    'where --ca') _files ;;
    'explain --token-file') _files ;;
    'explain --data') _files -/ ;;
    'explain --ca') _files ;;
    'top --token-file') _files ;;
    'top --data') _files -/ ;;
    'top --ca') _files ;;
    'token keygen --alg') compadd -- HS256 EdDSA ;;
    'token mint --keys-file') _files ;;
    'token mint --token-file') _files ;;
    'token mint --data') _files -/ ;;
    'token mint --ca') _files ;;
    'token revoke --token-file') _files ;;
    'token revoke --data') _files -/ ;;
    'token revoke --ca') _files ;;
    'token verify --keys-file') _files ;;
    'nodes --token-file') _files ;;
    'nodes --data') _files -/ ;;
    'nodes --ca') _files ;;
    'drain --token-file') _files ;;
    'drain --data') _files -/ ;;
    'drain --ca') _files ;;
    'migrate up --config') _files ;;
    'migrate plan --config') _files ;;
    'migrate status --config') _files ;;
    'migrate down --config') _files ;;
    'snapshot take --config') _files ;;
    'snapshot list --config') _files ;;
    'snapshot restore --config') _files ;;
    'snapshot delete --config') _files ;;
    'import redis --config') _files ;;
    'import redis --password-file') _files ;;
    'import redis --checkpoint') _files ;;
    'export redis --config') _files ;;
    'export redis --password-file') _files ;;
    'export redis --checkpoint') _files ;;
    'moving --token-file') _files ;;
    'moving --data') _files -/ ;;
    'moving --ca') _files ;;
    'health --ca') _files ;;
    'bench --token-file') _files ;;
    'bench --data') _files -/ ;;
    'bench --ca') _files ;;
    'doctor --config') _files ;;
    'doctor --data') _files -/ ;;
    esac
}

_gopush() {
    local at='' option='' word i
    local -a commands flags valued args
    _gopush_at ''
    for ((i = 2; i < CURRENT; i++)); do
        word=${words[i]}
        if [[ -n $option ]]; then
            option='' # that was its value
        elif [[ $word == -* ]]; then
            (( ${valued[(Ie)$word]} )) && option=$word
        elif (( ${commands[(I)${(b)word}:*]} )); then
            at=${at:+$at }$word
            _gopush_at "$at"
        fi
    done
    if [[ -z $option && ${words[CURRENT]} == --*=* ]]; then
        option=${words[CURRENT]%%=*}
        compset -P '*='
    fi
    if [[ -n $option ]]; then
        _gopush_value "$at" "$option"
    elif [[ ${words[CURRENT]} == -* ]]; then
        _describe -o option flags
    else
        (( $#commands )) && _describe command commands
        (( $#args )) && compadd -- $args
    fi
}

if [[ $funcstack[1] == _gopush ]]; then
    _gopush "$@"
else
    compdef _gopush gopush
fi
