#include <stdio.h>

int main(int argc, char **argv)
{
    printf("Hello, %s, from an image that holds one file.\n",
           argc > 1 ? argv[1] : "nobody");
    return 0;
}
