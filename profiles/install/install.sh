# Keeps $SECCOMP/$NAME as the ConfigMap in $SOURCE says. Touches only files that it has installed itself,
# which it lists in .strait-installed: a name goes onto the list before the file is written, and off it
# after the file is removed, so that nothing is forgotten wherever this ends.
set -eu
umask 022
folder=$SECCOMP/$NAME
list=$folder/.strait-installed
problem=

is_ours() {
  grep -qxF -- "$1" "$list"
}

install() {
  file=$1
  name=${file##*/}
  if [ -e "$folder/$name" ] && cmp -s "$file" "$folder/$name"; then
    return 0
  fi
  if [ -e "$folder/$name" ] && ! is_ours "$name"; then
    [ "$problem" = "$name" ] || echo "$folder/$name is not ours and differs: left alone" >&2
    problem=$name
    return 0
  fi
  is_ours "$name" || echo "$name" >> "$list"
  cp "$file" "$folder/.strait-new"
  mv -f "$folder/.strait-new" "$folder/$name"
  echo "installed $folder/$name"
}

remove() {
  while read -r name; do
    case $name in
    '' | .* | */*) continue ;;
    esac
    if [ -e "$SOURCE/$name" ]; then
      echo "$name"
    else
      rm -f "$folder/$name"
      echo "removed $folder/$name" >&2
    fi
  done < "$list" > "$list.new"
  mv -f "$list.new" "$list"
}

trap 'exit 0' TERM INT
while :; do
  mkdir -p "$folder"
  touch "$list"
  for file in "$SOURCE"/*.json; do
    [ ! -f "$file" ] || install "$file"
  done
  remove
  [ "$PAUSE" != 0 ] || exit 0
  sleep "$PAUSE" &
  wait $!
done
