"""The shells' own side of completion: each asks `lamina __complete` what fits.

It answers a line for each word, with a tab before what it means, and in the last line
what else may be offered: `files`, `directories`, `open` (no blank after it) or `none`.
"""

from __future__ import annotations

# COMP_WORDS is cut at `:` and `=` as well as at blanks: what no blank parts is one
# word, and what is offered may only be the part after the last cut.
_BASH = r"""# Completion of lamina for bash: source <(lamina completion bash)
_lamina() {
    local rest=$COMP_LINE word line more current cut part i
    local -a words=() paths=()
    COMPREPLY=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        part=${rest#"${rest%%[![:blank:]]*}"}
        if ((i == 0)) || [[ $part != "$rest" ]]; then
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        rest=${part#"$word"}
    done
    current=${words[${#words[@]} - 1]}
    cut=${current%"${current##*[:=]}"}
    [[ $COMP_WORDBREAKS == *:* ]] || cut=${current%"${current##*=}"}
    while IFS= read -r line; do
        more=$line
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    ((${#COMPREPLY[@]})) || return 0
    unset "COMPREPLY[${#COMPREPLY[@]} - 1]"
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$cut"}
    done
    case $more in
    files) mapfile -t paths < <(compgen -f -- "${current#"$cut"}") ;;
    directories) mapfile -t paths < <(compgen -d -- "${current#"$cut"}") ;;
    esac
    ((${#paths[@]})) && compopt -o filenames
    COMPREPLY+=("${paths[@]}")
    for word in "${COMPREPLY[@]}"; do
        [[ $word != *[:=,] ]] || compopt -o nospace
    done
}
complete -F _lamina lamina
"""

_ZSH = r"""#compdef lamina
# Completion of lamina for zsh: source <(lamina completion zsh), after compinit.
_lamina() {
    local line more word about
    local -a lines plain open
    lines=("${(@f)$("$words[1]" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    (( $#lines )) || return 1
    more=$lines[-1]
    for line in "${(@)lines[1,-2]}"; do
        word=${line%%$'\t'*}
        about=
        [[ $line == *$'\t'* ]] && about=:${line#*$'\t'}
        case $word in
        *[:=,]) open+=("${word//:/\\:}$about") ;;
        *) plain+=("${word//:/\\:}$about") ;;
        esac
    done
    (( $#plain )) && _describe -V lamina plain
    (( $#open )) && _describe -V lamina open -S ''
    case $more in
    files) _files ;;
    directories) _files -/ ;;
    esac
    return 0
}
compdef _lamina lamina
"""

_FISH = r"""# Completion of lamina for fish: lamina completion fish | source
function __lamina_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    test (count $lines) -gt 0; or return
    test (count $lines) -gt 1; and printf '%s\n' $lines[1..-2]
    switch $lines[-1]
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
    end
end
complete -c lamina -e
complete -c lamina -f -a '(__lamina_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
