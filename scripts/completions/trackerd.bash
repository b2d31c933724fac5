# bash completion for trackerd. Made from the table of settings by `make man`.
_trackerd() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local options='
        -f
        --config
        -i
        -p
        -P
        --port
        -s
        -A
        -t
        --test
        --health
        --check-system
        --stats
        -V
        -v
        --version
        -h
        --help
        --listen.tcp_udp
        --listen.tcp
        --listen.udp
        --listen.https
        --tls.certificate
        --tls.key
        --no-tcp
        --listen.no_tcp
        --no-udp
        --listen.no_udp
        --workers
        --tracker.workers
        --listen.udp.workers
        --listen.udp.receive_buffer
        --tracker.pin_workers
        --nofile
        --tracker.nofile
        --core
        --tracker.core
        --failed
        --tracker.failed
        -d
        --tracker.rootdir
        -l
        --tracker.load
        -u
        --tracker.user
        --tracker.hang_secs_max
        --log.status
        --log.completed
        --log-level
        --log.level
        --log.format
        --log.target
        --log.addresses
        --log.access
        --interval
        --tracker.interval
        --tracker.interval_jitter
        --tracker.min_interval
        --tracker.peer_timeout
        --max-load-avg
        --load.limit
        --min-interval
        --load.interval_min
        --max-interval
        --load.interval_max
        --tracker.numwant_default
        --max-peers-per-response
        --tracker.numwant_max
        --tracker.external_ip
        --tracker.peer_ids
        --tracker.scrape_interval
        --tracker.warning
        --tracker.id
        -w
        --access.whitelist
        -b
        --access.blacklist
        --access.keys
        --access.fifo_add
        --access.fifo_delete
        --access.stats
        --access.stats_path
        --access.metrics_path
        --access.full_scrape
        --access.full_scrape_net
        --access.full_scrape_interval
        --stats.woodpeckers
        --stats.fulllog
        --charset
        --stats.charset
        --locale
        --stats.locale
        --access.proxy
        --x-forwarded-for
        --access.proxy_header
        --access.proxy_protocol
        --tracker.ip_from_query
        --limit.announces_per_sec
        --limit.scrapes_per_sec
        --limit.connects_per_sec
        --limit.connections_per_sec
        --limit.burst_secs
        --limit.exempt
        --limit.sources
        --limit.torrent_peers_max
        --limit.address_peers_max
        --tracker.enforce_interval
        --limit.strikes
        --limit.strike_secs
        --limit.ban_secs
        --access.deny
        --access.deny_file
        --access.peer_id_allow
        --access.peer_id_deny
        --access.agent_allow
        --access.agent_deny
        --access.program_text
        --livesync.cluster.listen
        --livesync.cluster.node_ip
        --batchsync.cluster.admin_ip
        --meta.mode
        --meta.clients
        --meta.listen
        --meta.hold
        --meta.upstreams
        --meta.list_url
        --meta.k
        --meta.select
        --meta.refresh
        --meta.allow
        --meta.deny
        --meta.public_proof
        --meta.never_first
        --meta.announce
        --meta.dht
        --meta.dht_port
        --meta.dht_bootstrap
        --meta.pex
        --meta.swarms_max
        --meta.client_swarms
        --meta.pps
        --meta.tcp
        --meta.state
        --meta.allow_private
        --bus.server
        --bus.name
        --bus.key_file
        --bus.delay
        --bus.stream_frames
        --bus.backlog
        --bus.ring
        --bus.lists
        --bus.secret
        --udp.secret_file
        --tracker.memory_limit
        --tracker.max_torrents
        --tracker.max_peers
        --persist.file
        --persist.interval
        -r
        --tracker.redirect_url
        --http.connections_max
        --keep-alive
        --http.keep_alive
        --http.idle_secs_max
        --socket-timeout
        --http.request_secs_max
        --api.listen
        --api.token_file'
    case ${COMP_WORDS[1]} in
    announce | scrape | check)
        options='
        --json
        --timeout
        -4
        --ipv4
        -6
        --ipv6
        -p
        --port
        --event
        --left
        --numwant'
        ;;
    *)
        if [ "$COMP_CWORD" = 1 ]; then options+=' announce scrape check'; fi
        ;;
    esac
    COMPREPLY=()
    case $before in
    -f | --config)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    -i)
        :
        ;;
    -p)
        :
        ;;
    -P)
        :
        ;;
    --port)
        :
        ;;
    -s)
        :
        ;;
    -A)
        :
        ;;
    --listen.tcp_udp)
        :
        ;;
    --listen.tcp)
        :
        ;;
    --listen.udp)
        :
        ;;
    --listen.https)
        :
        ;;
    --tls.certificate)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --tls.key)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --no-tcp | --listen.no_tcp)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --no-udp | --listen.no_udp)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --workers | --tracker.workers)
        :
        ;;
    --listen.udp.workers)
        :
        ;;
    --listen.udp.receive_buffer)
        :
        ;;
    --tracker.pin_workers)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --nofile | --tracker.nofile)
        :
        ;;
    --core | --tracker.core)
        :
        ;;
    --failed | --tracker.failed)
        :
        ;;
    -d | --tracker.rootdir)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    -l | --tracker.load)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    -u | --tracker.user)
        :
        ;;
    --tracker.hang_secs_max)
        :
        ;;
    --log.status)
        mapfile -t COMPREPLY < <(compgen -W 'off line json' -- "$current")
        ;;
    --log.completed)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --log-level | --log.level)
        mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$current")
        ;;
    --log.format)
        mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$current")
        ;;
    --log.target)
        :
        ;;
    --log.addresses)
        mapfile -t COMPREPLY < <(compgen -W 'full prefix none' -- "$current")
        ;;
    --log.access)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --interval | --tracker.interval)
        :
        ;;
    --tracker.interval_jitter)
        :
        ;;
    --tracker.min_interval)
        :
        ;;
    --tracker.peer_timeout)
        :
        ;;
    --max-load-avg | --load.limit)
        :
        ;;
    --min-interval | --load.interval_min)
        :
        ;;
    --max-interval | --load.interval_max)
        :
        ;;
    --tracker.numwant_default)
        :
        ;;
    --max-peers-per-response | --tracker.numwant_max)
        :
        ;;
    --tracker.external_ip)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --tracker.peer_ids)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --tracker.scrape_interval)
        :
        ;;
    --tracker.warning)
        :
        ;;
    --tracker.id)
        :
        ;;
    -w | --access.whitelist)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    -b | --access.blacklist)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.keys)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.fifo_add)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.fifo_delete)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.stats)
        :
        ;;
    --access.stats_path)
        :
        ;;
    --access.metrics_path)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.full_scrape)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --access.full_scrape_net)
        :
        ;;
    --access.full_scrape_interval)
        :
        ;;
    --stats.woodpeckers)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --stats.fulllog)
        :
        ;;
    --charset | --stats.charset)
        :
        ;;
    --locale | --stats.locale)
        :
        ;;
    --access.proxy)
        :
        ;;
    --x-forwarded-for | --access.proxy_header)
        :
        ;;
    --access.proxy_protocol)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --tracker.ip_from_query)
        :
        ;;
    --limit.announces_per_sec)
        :
        ;;
    --limit.scrapes_per_sec)
        :
        ;;
    --limit.connects_per_sec)
        :
        ;;
    --limit.connections_per_sec)
        :
        ;;
    --limit.burst_secs)
        :
        ;;
    --limit.exempt)
        :
        ;;
    --limit.sources)
        :
        ;;
    --limit.torrent_peers_max)
        :
        ;;
    --limit.address_peers_max)
        :
        ;;
    --tracker.enforce_interval)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --limit.strikes)
        :
        ;;
    --limit.strike_secs)
        :
        ;;
    --limit.ban_secs)
        :
        ;;
    --access.deny)
        :
        ;;
    --access.deny_file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --access.peer_id_allow)
        :
        ;;
    --access.peer_id_deny)
        :
        ;;
    --access.agent_allow)
        :
        ;;
    --access.agent_deny)
        :
        ;;
    --access.program_text)
        :
        ;;
    --livesync.cluster.listen)
        :
        ;;
    --livesync.cluster.node_ip)
        :
        ;;
    --batchsync.cluster.admin_ip)
        :
        ;;
    --meta.mode)
        mapfile -t COMPREPLY < <(compgen -W 'off lan all' -- "$current")
        ;;
    --meta.clients)
        :
        ;;
    --meta.listen)
        :
        ;;
    --meta.hold)
        :
        ;;
    --meta.upstreams)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --meta.list_url)
        :
        ;;
    --meta.k)
        :
        ;;
    --meta.select)
        mapfile -t COMPREPLY < <(compgen -W 'score ratio' -- "$current")
        ;;
    --meta.refresh)
        :
        ;;
    --meta.allow)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --meta.deny)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --meta.public_proof)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --meta.never_first)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --meta.announce)
        mapfile -t COMPREPLY < <(compgen -W 'nat always never' -- "$current")
        ;;
    --meta.dht)
        mapfile -t COMPREPLY < <(compgen -W 'off lookup announce' -- "$current")
        ;;
    --meta.dht_port)
        :
        ;;
    --meta.dht_bootstrap)
        :
        ;;
    --meta.pex)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --meta.swarms_max)
        :
        ;;
    --meta.client_swarms)
        :
        ;;
    --meta.pps)
        :
        ;;
    --meta.tcp)
        :
        ;;
    --meta.state)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --meta.allow_private)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --bus.server)
        :
        ;;
    --bus.name)
        :
        ;;
    --bus.key_file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --bus.delay)
        :
        ;;
    --bus.stream_frames)
        :
        ;;
    --bus.backlog)
        :
        ;;
    --bus.ring)
        :
        ;;
    --bus.lists)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --bus.secret)
        mapfile -t COMPREPLY < <(compgen -W 'yes no' -- "$current")
        ;;
    --udp.secret_file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --tracker.memory_limit)
        :
        ;;
    --tracker.max_torrents)
        :
        ;;
    --tracker.max_peers)
        :
        ;;
    --persist.file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --persist.interval)
        :
        ;;
    -r | --tracker.redirect_url)
        :
        ;;
    --http.connections_max)
        :
        ;;
    --keep-alive | --http.keep_alive)
        :
        ;;
    --http.idle_secs_max)
        :
        ;;
    --socket-timeout | --http.request_secs_max)
        :
        ;;
    --api.listen)
        :
        ;;
    --api.token_file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    --timeout)
        :
        ;;
    --event)
        mapfile -t COMPREPLY < <(compgen -W 'started completed stopped paused none' -- "$current")
        ;;
    --left)
        :
        ;;
    --numwant)
        :
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        ;;
    esac
}
complete -o filenames -F _trackerd trackerd
