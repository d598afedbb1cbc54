FROM base AS build
ARG configuration=Release
WORKDIR /src
COPY ["src/a.txt", "Web API/"]
WORKDIR "/src/Web API"
RUN pwd > /where && mkdir -p /app/build && cp a.txt /app/build/
FROM build AS publish
ARG configuration
RUN echo "[$configuration]" > /app/build/how
FROM base AS final
WORKDIR /app
COPY --from=publish /app/build .
ENV ASPNETCORE_URLS=http://+:8080 DOTNET_RUNNING_IN_CONTAINER=true
ENTRYPOINT ["dotnet", "Web API.dll"]
