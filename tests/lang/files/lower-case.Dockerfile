from ubuntu:22.04 as Build
run apt-get update -y
run apt-get install -y gcc
env  CFLAGS  -O2 -g -Wall
copy	hello.c	/src/
workdir /src
run gcc $CFLAGS -static -o hello hello.c

From scratch
Copy --from=Build /src/hello /
Cmd ["/hello"]
